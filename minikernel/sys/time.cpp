// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clocks and sleeping. All clocks are the one counter of arch/x86_64/clock.h; the wall clock starts at a
// fixed date, so that runs repeat.
#include <asm/unistd.h>
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
    case CLOCK_PROCESS_CPUTIME_ID: {
      SpinlockGuard guard(tasks_lock);
      return usage_of(*current().process).run_ns;
    }
    case CLOCK_THREAD_CPUTIME_ID:
      return current().run_time_ns();
  }
  return Errno{EINVAL};
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

namespace {

// Until restart_arguments[0]; [1] is where the program wants to know how much was left.
long sleep_on(Task& task) {
  uint64_t end = task.restart_arguments[0];
  WaitQueue nobody;
  if (sleep_until(
          nobody, [] { return false; }, Sleep::kInterruptible, end) == -ETIMEDOUT)
    return 0;
  uint64_t left = now_ns() < end ? end - now_ns() : 0;
  if (task.restart_arguments[1] != 0 && !put_user(task.restart_arguments[1], to_time_spec(left)))
    return -EFAULT;
  task.restart = sleep_on;
  return -kRestartBlock;
}

}  // namespace

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
  Task& task = current();
  task.restart_arguments[0] = wait < kNever - now_ns() ? now_ns() + wait : kNever;
  task.restart_arguments[1] = absolute ? 0 : remaining;
  return sleep_on(task);
}

long sys_restart_syscall() {
  Task& task = current();
  return task.restart != nullptr ? task.restart(task) : -EINTR;
}

Result<uint64_t> user_deadline(UserAddress address, bool absolute, int clock) {
  TimeSpec time;
  if (!get_user(time, address)) return Errno{EFAULT};
  if (!valid(time)) return Errno{EINVAL};
  uint64_t wanted = to_ns(time);
  uint64_t now = now_ns();
  if (absolute && clock == CLOCK_REALTIME) wanted = wanted > kBootWallClockNs ? wanted - kBootWallClockNs : 0;
  if (absolute) return wanted;
  return wanted < kNever - now ? now + wanted : kNever;
}

namespace {

struct TimeValue {
  int64_t seconds;
  int64_t microseconds;
};
struct IntervalValue {
  TimeValue interval;
  TimeValue value;
};

TimeValue to_time_value(uint64_t ns) {
  return {static_cast<int64_t>(ns / kNsPerSecond), static_cast<int64_t>(ns % kNsPerSecond / 1000)};
}

uint64_t real_timer_expires(Timer& timer) {
  auto& interval = reinterpret_cast<IntervalTimer&>(timer);  // its first member
  siginfo_t info = {};
  info.si_signo = SIGALRM;
  info.si_code = SI_KERNEL;
  SpinlockGuard guard(tasks_lock);
  send_process_signal_locked(*interval.process, info);
  return interval.interval_ns == 0 ? kNever : timer.expires + interval.interval_ns;
}

// Gives what was left.
uint64_t set_real_timer(uint64_t value_ns, uint64_t interval_ns) {
  IntervalTimer& timer = current().process->real_timer;
  uint64_t left = timer.timer.queued && timer.timer.expires > now_ns() ? timer.timer.expires - now_ns() : 0;
  stop_timer(timer.timer);
  timer.process = current().process.raw();
  timer.interval_ns = interval_ns;
  timer.timer.function = real_timer_expires;
  if (value_ns != 0) start_timer(timer.timer, now_ns() + value_ns);
  return left;
}

bool valid(const TimeValue& time) {
  return time.seconds >= 0 && time.microseconds >= 0 && time.microseconds < 1'000'000;
}
uint64_t to_ns(const TimeValue& time) { return to_ns(TimeSpec{time.seconds, time.microseconds * 1000}); }

}  // namespace

long sys_setitimer(int which, UserAddress in, UserAddress out) {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  IntervalValue wanted = {};
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  if (!valid(wanted.interval) || !valid(wanted.value)) return -EINVAL;
  if (which != ITIMER_REAL) {
    log_unimplemented(__NR_setitimer, "timers of processor time");
    return -EINVAL;
  }
  uint64_t old_interval = current().process->real_timer.interval_ns;
  uint64_t left = set_real_timer(to_ns(wanted.value), to_ns(wanted.interval));
  IntervalValue old = {to_time_value(old_interval), to_time_value(left)};
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_getitimer(int which, UserAddress out) {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  const IntervalTimer& timer = current().process->real_timer;
  IntervalValue now = {};
  if (which == ITIMER_REAL) {
    bool runs = timer.timer.queued && timer.timer.expires > now_ns();
    now = {to_time_value(timer.interval_ns), to_time_value(runs ? timer.timer.expires - now_ns() : 0)};
  }
  return put_user(out, now) ? 0 : -EFAULT;
}

// Rounded to seconds, up when anything is left.
long sys_alarm(unsigned seconds) {
  uint64_t left = set_real_timer(seconds * static_cast<uint64_t>(kNsPerSecond), 0);
  return static_cast<long>((left + kNsPerSecond - 1) / kNsPerSecond);
}

}  // namespace mk
