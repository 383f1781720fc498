// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clocks and sleeping. All clocks are the one counter of arch/x86_64/clock.h; the wall clock starts at a
// fixed date, so that runs repeat.
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "sys/syscall.h"
#include "sys/time_spec.h"

namespace mk {
namespace {

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
  if (sleep_until(nobody, [] { return false; }, Sleep::kInterruptible, end) == -ETIMEDOUT) return 0;
  uint64_t left = now_ns() < end ? end - now_ns() : 0;
  if (task.restart_arguments[1] != 0 && !put_user(task.restart_arguments[1], to_time_spec(left)))
    return -EFAULT;
  task.restart = sleep_on;
  return -kRestartBlock;
}

bool can_sleep_on(int clock) {
  switch (clock) {
    case CLOCK_THREAD_CPUTIME_ID:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
      return false;
  }
  return true;
}

}  // namespace

long sys_nanosleep(UserAddress request, UserAddress remaining) {
  return sys_clock_nanosleep(CLOCK_MONOTONIC, 0, request, remaining);
}

long sys_clock_nanosleep(int clock, int flags, UserAddress request, UserAddress remaining) {
  Result<uint64_t> now = read_clock(clock);
  if (!now.ok()) return now.error();
  if (!can_sleep_on(clock)) return -EOPNOTSUPP;
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

// With tasks_lock held. Processor time is not split into the program's and the kernel's: both clocks show the
// sum.
uint64_t clock_of(const IntervalTimer& timer) {
  return timer.which == ITIMER_REAL ? now_ns() : usage_of(*timer.process).run_ns;
}

// When to look next, by now_ns().
uint64_t next_look(const IntervalTimer& timer, uint64_t clock) {
  constexpr uint64_t kLeastNs = 100'000;
  if (timer.expires == kNever) return kNever;
  if (timer.which == ITIMER_REAL) return max(timer.expires, now_ns() + kLeastNs);
  return now_ns() + max(timer.expires - min(timer.expires, clock), kLeastNs);
}

uint64_t interval_timer_expires(Timer& expired) {
  auto& timer = reinterpret_cast<IntervalTimer&>(expired);  // its first member
  SpinlockGuard guard(tasks_lock);
  uint64_t clock = clock_of(timer);
  if (clock >= timer.expires) {
    constexpr int kSignalOf[] = {SIGALRM, SIGVTALRM, SIGPROF};
    siginfo_t info = {};
    info.si_signo = kSignalOf[timer.which];
    info.si_code = SI_KERNEL;
    send_process_signal_locked(*timer.process, info);
    timer.expires = timer.interval_ns == 0 ? kNever : max(timer.expires + timer.interval_ns, clock);
  }
  return next_look(timer, clock);
}

uint64_t time_left(const IntervalTimer& timer) {
  SpinlockGuard guard(tasks_lock);
  if (timer.expires == kNever) return 0;
  uint64_t clock = clock_of(timer);
  return timer.expires > clock ? timer.expires - clock : 1;
}

// Gives what was left.
uint64_t set_interval_timer(int which, uint64_t value_ns, uint64_t interval_ns) {
  SpinlockGuard one_at_a_time(current().process->interval_lock);
  IntervalTimer& timer = current().process->interval_timers[which];
  stop_timer(timer.timer);
  timer.process = current().process.raw();
  timer.which = which;
  uint64_t left = time_left(timer);
  uint64_t look = kNever;
  {
    SpinlockGuard guard(tasks_lock);
    uint64_t clock = clock_of(timer);
    timer.interval_ns = interval_ns;
    timer.timer.function = interval_timer_expires;
    timer.expires = value_ns != 0 ? clock + value_ns : kNever;
    look = timer.which == ITIMER_REAL ? timer.expires : next_look(timer, clock);
  }
  start_timer(timer.timer, look);
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
  uint64_t old_interval = current().process->interval_timers[which].interval_ns;
  uint64_t left = set_interval_timer(which, to_ns(wanted.value), to_ns(wanted.interval));
  IntervalValue old = {to_time_value(old_interval), to_time_value(left)};
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_getitimer(int which, UserAddress out) {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  const IntervalTimer& timer = current().process->interval_timers[which];
  IntervalValue now = {to_time_value(timer.interval_ns), to_time_value(time_left(timer))};
  return put_user(out, now) ? 0 : -EFAULT;
}

// Rounded to seconds, up when anything is left.
long sys_alarm(unsigned seconds) {
  uint64_t left = set_interval_timer(ITIMER_REAL, seconds * static_cast<uint64_t>(kNsPerSecond), 0);
  return static_cast<long>((left + kNsPerSecond - 1) / kNsPerSecond);
}

}  // namespace mk
