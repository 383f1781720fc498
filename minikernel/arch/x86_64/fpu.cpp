// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/fpu.h"

#include "lib/string.h"

namespace mk {

void fpu_init(FpuState& state) {
  memset(&state, 0, sizeof(state));
  state.bytes[0] = 0x7f;  // FCW 0x037f
  state.bytes[1] = 0x03;
  state.set_mxcsr(0x1f80);
}

// Bits 0-15 are the ones every processor with SSE2 has but DAZ (bit 6), which all 64-bit ones have, too.
void fpu_sanitize(FpuState& state) { state.set_mxcsr(state.mxcsr() & 0xffff); }

}  // namespace mk
