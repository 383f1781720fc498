// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clocks and sleeping. All clocks are the one counter of arch/x86_64/clock.h; the wall clock starts at a
// fixed date, so that runs repeat. Processor time is time since the task started: it has had the CPU since
// then.
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

struct TimeSpec {
  int64_t seconds;
  int64_t nanoseconds;
};

TimeSpec to_time_spec(uint64_t ns) {
  return TimeSpec{static_cast<int64_t>(ns / kNsPerSecond), static_cast<int64_t>(ns % kNsPerSecond)};
}

Result<uint64_t> read_clock(int clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
      return wall_clock_ns();
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
      return now_ns();
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      return now_ns() - current().start_ns;
  }
  return Errno{EINVAL};
}

// Waits until now_ns() is at least `end`; stops early for a signal.
bool sleep_until(uint64_t end) {
  while (now_ns() < end) {
    if (signal_pending(current())) return false;
    asm volatile("pause");
  }
  return true;
}

bool valid(const TimeSpec& time) {
  return time.seconds >= 0 && time.nanoseconds >= 0 && time.nanoseconds < kNsPerSecond;
}

uint64_t to_ns(const TimeSpec& time) {
  constexpr int64_t kMaxSeconds = INT64_MAX / kNsPerSecond;
  if (time.seconds >= kMaxSeconds) return INT64_MAX;
  return static_cast<uint64_t>(time.seconds * kNsPerSecond + time.nanoseconds);
}

}  // namespace

long sys_clock_gettime(int clock, UserAddress out) {
  Result<uint64_t> now = read_clock(clock);
  if (!now.ok()) return now.error();
  return put_user(out, to_time_spec(*now)) ? 0 : -EFAULT;
}

long sys_clock_getres(int clock, UserAddress out) {
  Result<uint64_t> now = read_clock(clock);
  if (!now.ok()) return now.error();
  return out == 0 || put_user(out, TimeSpec{0, 1}) ? 0 : -EFAULT;
}

long sys_gettimeofday(UserAddress out, UserAddress zone) {
  TimeSpec now = to_time_spec(wall_clock_ns());
  now.nanoseconds /= 1000;  // struct timeval has the same shape with microseconds
  if (out != 0 && !put_user(out, now)) return -EFAULT;
  return zone != 0 && !put_user(zone, uint64_t{0}) ? -EFAULT : 0;
}

long sys_time(UserAddress out) {
  int64_t now = to_time_spec(wall_clock_ns()).seconds;
  if (out != 0 && !put_user(out, now)) return -EFAULT;
  return now;
}

long sys_nanosleep(UserAddress request, UserAddress remaining) {
  return sys_clock_nanosleep(CLOCK_MONOTONIC, 0, request, remaining);
}

long sys_clock_nanosleep(int clock, int flags, UserAddress request, UserAddress remaining) {
  Result<uint64_t> now = read_clock(clock);
  if (!now.ok() || clock == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  TimeSpec time;
  if (!get_user(time, request)) return -EFAULT;
  if (!valid(time)) return -EINVAL;
  uint64_t wanted = to_ns(time);
  bool absolute = flags & TIMER_ABSTIME;
  uint64_t wait = !absolute ? wanted : wanted > *now ? wanted - *now : 0;
  uint64_t end = now_ns() + wait;
  if (sleep_until(end)) return 0;
  if (!absolute && remaining != 0) {
    uint64_t left = now_ns() < end ? end - now_ns() : 0;
    if (!put_user(remaining, to_time_spec(left))) return -EFAULT;
  }
  return -EINTR;
}

}  // namespace mk
