// SPDX-License-Identifier: GPL-2.0-or-later
//
// Timers that programs make: timer_create(2) and its relatives (proc/posix_timer.h), timerfd_create(2) and
// its (fs/timer_fd.h).
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/time.h>

#include "fs/timer_fd.h"
#include "proc/posix_timer.h"
#include "sys/syscall.h"
#include "sys/time_spec.h"

namespace mk {
namespace {

constexpr int kAbsolute = 1;     // TIMER_ABSTIME, TFD_TIMER_ABSTIME
constexpr int kCancelOnSet = 2;  // TFD_TIMER_CANCEL_ON_SET: the wall clock is never set

// -EINVAL: no clock that a timer can go by. -EOPNOTSUPP: as Linux says of those that it only reads.
long check_clock(uint64_t number, int clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
      return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
      return number == __NR_timer_create ? -EOPNOTSUPP : -EINVAL;
    case CLOCK_TAI:
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      log_unimplemented(number, "this clock");
  }
  return -EINVAL;
}

bool goes_by_wall_clock(int clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM; }

bool put_left(UserAddress out, uint64_t left_ns, uint64_t interval_ns) {
  return out == 0 || put_user(out, TimerSpec{to_time_spec(interval_ns), to_time_spec(left_ns)});
}

// -EBADF, -EINVAL.
Result<Ref<File>> timer_file(int fd) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return Errno{EBADF};
  if (!is_timer_fd(*file)) return Errno{EINVAL};
  return file;
}

// What struct sigevent asks for.
long read_event(UserAddress event, TimerOrder& order) {
  struct {
    uint64_t value;
    int signal;
    int notify;
    int tid;
  } asked;
  if (event == 0) {
    order.signal = SIGALRM;
    order.value_is_id = true;
    return 0;
  }
  if (!get_user(asked, event)) return -EFAULT;
  order.value = asked.value;
  if (asked.notify == SIGEV_NONE) return 0;
  if (asked.notify != SIGEV_SIGNAL && asked.notify != SIGEV_THREAD_ID) return -EINVAL;
  if (asked.signal <= 0 || asked.signal > kSignals) return -EINVAL;
  order.signal = asked.signal;
  if (asked.notify == SIGEV_THREAD_ID) order.tid = asked.tid;
  return order.tid < 0 || (asked.notify == SIGEV_THREAD_ID && order.tid == 0) ? -EINVAL : 0;
}

}  // namespace

long sys_timer_create(int clock, UserAddress event, UserAddress id_out) {
  if (long error = check_clock(__NR_timer_create, clock); error < 0) return error;
  TimerOrder order;
  order.realtime = goes_by_wall_clock(clock);
  if (long error = read_event(event, order); error < 0) return error;
  long id = create_posix_timer(order);
  if (id < 0 || put_user(id_out, static_cast<int>(id))) return id < 0 ? id : 0;
  delete_posix_timer(static_cast<int>(id));
  return -EFAULT;
}

long sys_timer_settime(int id, int flags, UserAddress in, UserAddress out) {
  TimerSpec wanted;
  if (in == 0) return -EINVAL;
  if (!get_user(wanted, in)) return -EFAULT;
  if (!valid(wanted)) return -EINVAL;
  long realtime = posix_timer_is_realtime(id);
  if (realtime < 0) return realtime;
  TimerSetting setting = {first_expiry(wanted, flags & kAbsolute, realtime != 0), to_ns(wanted.interval)};
  if (setting.expires == kNever) setting.interval_ns = 0;
  TimerSetting left;
  if (long error = set_posix_timer(id, setting, left); error < 0) return error;
  return put_left(out, left.expires, left.interval_ns) ? 0 : -EFAULT;
}

long sys_timer_gettime(int id, UserAddress out) {
  TimerSetting left;
  if (long error = get_posix_timer(id, left); error < 0) return error;
  return out != 0 && put_left(out, left.expires, left.interval_ns) ? 0 : -EFAULT;
}

long sys_timer_getoverrun(int id) { return posix_timer_overrun(id); }
long sys_timer_delete(int id) { return delete_posix_timer(id); }

long sys_timerfd_create(int clock, int flags) {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  if (long error = check_clock(__NR_timerfd_create, clock); error < 0) return error;
  Result<Ref<File>> file =
      make_timer_fd(static_cast<unsigned>(flags & O_NONBLOCK), goes_by_wall_clock(clock));
  return file.ok() ? install(*file, flags & O_CLOEXEC) : file.error();
}

long sys_timerfd_settime(int fd, int flags, UserAddress in, UserAddress out) {
  TimerSpec wanted;
  if (!get_user(wanted, in)) return -EFAULT;
  if ((flags & ~(kAbsolute | kCancelOnSet)) || !valid(wanted)) return -EINVAL;
  Result<Ref<File>> file = timer_file(fd);
  if (!file.ok()) return file.error();
  uint64_t expires = first_expiry(wanted, flags & kAbsolute, timer_fd_is_realtime(**file));
  TimerState old = set_timer_fd(**file, expires, to_ns(wanted.interval));
  return put_left(out, old.left_ns, old.interval_ns) ? 0 : -EFAULT;
}

long sys_timerfd_gettime(int fd, UserAddress out) {
  Result<Ref<File>> file = timer_file(fd);
  if (!file.ok()) return file.error();
  TimerState now = get_timer_fd(**file);
  return out != 0 && put_left(out, now.left_ns, now.interval_ns) ? 0 : -EFAULT;
}

}  // namespace mk
