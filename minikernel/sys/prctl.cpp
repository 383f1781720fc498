// SPDX-License-Identifier: GPL-2.0-or-later
//
// prctl(2). Options of features that Linux can be built without are EINVAL, as there.
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/prctl.h>

#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kDefaultTimerSlack = 50'000;  // what timers may be late by; none are

long set_name(Task& task, UserAddress in) {
  char name[Task::kNameSize];
  long length = strncpy_from_user(name, in, sizeof(name) - 1);
  if (length < 0) return -EFAULT;
  SpinlockGuard guard(tasks_lock);
  memset(task.name, 0, sizeof(task.name));
  memcpy(task.name, name, static_cast<size_t>(length));
  return 0;
}

long set_flag(bool& flag, uint64_t value) {
  if (value > 1) return -EINVAL;
  flag = value != 0;
  return 0;
}

// Those that only take or give a number.
long number_option(Task& task, int option, uint64_t a) {
  Process& process = *task.process;
  switch (option) {
    case PR_SET_PDEATHSIG:
      if (a > kSignals) return -EINVAL;
      task.parent_death_signal = static_cast<int>(a);
      return 0;
    case PR_GET_PDEATHSIG:
      return put_user(a, task.parent_death_signal) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE:
      return process.is_dumpable;
    case PR_SET_DUMPABLE:
      return set_flag(process.is_dumpable, a);
    case PR_GET_KEEPCAPS:
      return task.keeps_capabilities;
    case PR_SET_KEEPCAPS:
      return set_flag(task.keeps_capabilities, a);
    case PR_SET_CHILD_SUBREAPER:
      process.is_subreaper = a != 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return put_user(a, static_cast<int>(process.is_subreaper)) ? 0 : -EFAULT;
    case PR_SET_TIMERSLACK:
      task.timer_slack_ns = static_cast<int64_t>(a) <= 0 ? kDefaultTimerSlack : a;
      return 0;
    case PR_GET_TIMERSLACK:
      return static_cast<long>(task.timer_slack_ns);
    case PR_CAPBSET_READ:
      return a <= CAP_LAST_CAP ? 1 : -EINVAL;
    case PR_GET_SECUREBITS:
      return 0;
    case PR_GET_TIMING:
      return PR_TIMING_STATISTICAL;
    case PR_SET_TIMING:
      return a == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
  }
  return -ENOSYS;
}

}  // namespace

long sys_prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  Task& task = current();
  if (long result = number_option(task, option, a); result != -ENOSYS) return result;
  switch (option) {
    case PR_SET_NAME:
      return set_name(task, a);
    case PR_GET_NAME:
      return copy_to_user(a, task.name, sizeof(task.name)) ? 0 : -EFAULT;
    case PR_SET_NO_NEW_PRIVS:
      if (a != 1 || b != 0 || c != 0 || d != 0) return -EINVAL;
      task.no_new_privileges = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return a != 0 || b != 0 || c != 0 || d != 0 ? -EINVAL : task.no_new_privileges;
    case PR_SET_THP_DISABLE:
      if (b != 0 || c != 0 || d != 0) return -EINVAL;
      task.process->no_huge_pages = a != 0;
      return 0;
    case PR_GET_THP_DISABLE:
      return a != 0 || b != 0 || c != 0 || d != 0 ? -EINVAL : task.process->no_huge_pages;
    // Not configured.
    case PR_GET_SECCOMP:
    case PR_SET_SECCOMP:
    case PR_SET_MM:
    case PR_SET_PTRACER:
    case PR_SET_VMA:
      return -EINVAL;
  }
  log_unimplemented(__NR_prctl, "this option");
  return -EINVAL;
}

}  // namespace mk
