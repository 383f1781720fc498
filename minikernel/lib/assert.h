// SPDX-License-Identifier: GPL-2.0-or-later
//
// Broken invariants end the machine, in every build: KASSERT(condition) and panic(). A panic says what
// happened, where from, and shows the registers when an exception is being handled; on the serial console and
// in the log.
#pragma once

namespace mk {

struct TrapFrame;

[[noreturn, gnu::format(printf, 1, 2)]] void panic(const char* format, ...);
// The same, showing the registers of `frame`.
[[noreturn, gnu::format(printf, 2, 3)]] void panic_at(const TrapFrame& frame, const char* format, ...);

}  // namespace mk

#define KASSERT(condition)                                                              \
  do {                                                                                  \
    if (!(condition)) ::mk::panic("%s:%d: broken: %s", __FILE__, __LINE__, #condition); \
  } while (false)
