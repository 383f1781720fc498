// SPDX-License-Identifier: GPL-2.0-or-later
//
// Time by the time-stamp counter. Its frequency is CPUID's (leaf 15H) where given, else measured against the
// PIT. The wall clock starts at a fixed date, so that runs repeat: the machine has no clock that says better.
#pragma once

#include <stdint.h>

namespace mk {

inline constexpr uint64_t kBootWallClockNs = 1639785600ul * 1'000'000'000;  // 2021-12-18 00:00:00 UTC

uint64_t now_ns();  // since boot
uint64_t tsc_hz();  // as far as it is known
inline uint64_t wall_clock_ns() { return kBootWallClockNs + now_ns(); }

void init_clock();

}  // namespace mk
