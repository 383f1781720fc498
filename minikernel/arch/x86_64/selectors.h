// SPDX-License-Identifier: GPL-2.0-or-later
//
// DS, ES, FS and GS of programs. In 64-bit mode the segments mean nothing (SDM Vol. 3, 3.4.4), but a program,
// or its debugger, that has loaded a selector finds it again: each task has its own, and the kernel uses
// none.
#pragma once

#include <stdint.h>

namespace mk {

struct UserSelectors {
  uint16_t ds = 0, es = 0, fs = 0, gs = 0;
  bool operator==(const UserSelectors&) const = default;
};

// Of whoever runs on this CPU.
UserSelectors read_selectors();
// A selector that no segment stands behind becomes 0, as with Linux's loadsegment(). The FS base and the
// program's GS base are to be loaded afterwards.
void load_selectors(const UserSelectors& selectors);

}  // namespace mk
