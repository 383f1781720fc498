// SPDX-License-Identifier: GPL-2.0-or-later
//
// Times as system calls carry them: struct timespec, and the pairs of them that set timers.
#pragma once

#include <stdint.h>

#include "arch/x86_64/clock.h"

namespace mk {

inline constexpr int64_t kNsPerSecond = 1'000'000'000;

struct TimeSpec {
  int64_t seconds;
  int64_t nanoseconds;
};

inline TimeSpec to_time_spec(uint64_t ns) {
  return TimeSpec{static_cast<int64_t>(ns / kNsPerSecond), static_cast<int64_t>(ns % kNsPerSecond)};
}

inline bool valid(const TimeSpec& time) {
  return time.seconds >= 0 && time.nanoseconds >= 0 && time.nanoseconds < kNsPerSecond;
}

inline uint64_t to_ns(const TimeSpec& time) {
  constexpr int64_t kMaxSeconds = INT64_MAX / kNsPerSecond;
  if (time.seconds >= kMaxSeconds) return INT64_MAX;
  return static_cast<uint64_t>(time.seconds * kNsPerSecond + time.nanoseconds);
}

// struct itimerspec. A value of 0 disarms the timer.
struct TimerSpec {
  TimeSpec interval;
  TimeSpec value;
};

inline bool valid(const TimerSpec& spec) { return valid(spec.interval) && valid(spec.value); }

// When a timer that is set now expires first, by now_ns(); UINT64_MAX: never. `realtime`: an absolute time is
// one of the wall clock.
inline uint64_t first_expiry(const TimerSpec& spec, bool absolute, bool realtime) {
  uint64_t wanted = to_ns(spec.value);
  if (wanted == 0) return UINT64_MAX;
  if (!absolute) return now_ns() + wanted;
  if (!realtime) return wanted;
  return wanted > kBootWallClockNs ? wanted - kBootWallClockNs : 0;
}

}  // namespace mk
