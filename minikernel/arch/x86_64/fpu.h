// SPDX-License-Identifier: GPL-2.0-or-later
//
// x87 and SSE state. The kernel is built for general registers only, so a program's state stays in the CPU
// while the kernel runs for it, and is saved only for a switch or a signal frame.
#pragma once

#include <stdint.h>

namespace mk {

// As FXSAVE writes it (SDM Vol. 1, 10.5.1).
struct alignas(16) FpuState {
  uint8_t bytes[512];

  uint16_t control_word() const { return word(0); }
  uint16_t status_word() const { return word(2); }
  uint32_t mxcsr() const { return word(24) | static_cast<uint32_t>(word(26)) << 16; }
  void set_mxcsr(uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes[24 + i] = static_cast<uint8_t>(value >> 8 * i);
  }

 private:
  uint16_t word(int at) const { return static_cast<uint16_t>(bytes[at] | bytes[at + 1] << 8); }
};

// A new program's state: FNINIT's, and MXCSR with all exceptions masked.
void fpu_init(FpuState& state);
// Clears the MXCSR bits that FXRSTOR would refuse with #GP; for state that a program wrote.
void fpu_sanitize(FpuState& state);

inline void fpu_save(FpuState& state) { asm volatile("fxsave64 %0" : "=m"(state)); }
inline void fpu_restore(const FpuState& state) { asm volatile("fxrstor64 %0" : : "m"(state)); }

}  // namespace mk
