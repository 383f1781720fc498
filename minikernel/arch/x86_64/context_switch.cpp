// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/context_switch.h"

extern "C" char first_context[];

namespace mk {

void prepare_context(uint64_t& saved, uint64_t top) {
  auto* at = reinterpret_cast<uint64_t*>(top & ~15ul);
  *--at = reinterpret_cast<uint64_t>(first_context);
  for (int i = 0; i < 6; ++i) *--at = 0;
  saved = reinterpret_cast<uint64_t>(at);
}

}  // namespace mk
