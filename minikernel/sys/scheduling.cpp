// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who goes first: sched_setscheduler(2) and setpriority(2). All tasks take turns (proc/scheduler.h): nice
// values and the policies without priorities are remembered and change nothing, as hints may; the real-time
// policies, which would be promises, are not given (EPERM).
#include <linux/resource.h>
#include <linux/sched.h>

#include "sys/syscall.h"
#include "sys/time_spec.h"

namespace mk {
namespace {

constexpr int kLowestNice = -20, kHighestNice = 19;
constexpr int kHighestPriority = 99;

bool is_plain(int policy) { return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE; }
bool is_real_time(int policy) { return policy == SCHED_FIFO || policy == SCHED_RR; }

// With tasks_lock held; null: -ESRCH.
Task* task_of(int pid) { return pid == 0 ? &current() : find_task(pid); }

// Calls visit(Task&) for those that PRIO_* names. -EINVAL; -ESRCH when there are none.
template <typename Visit>
long for_each_named(int which, int who, Visit visit) {
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  SpinlockGuard guard(tasks_lock);
  const Process& self = *current().process;
  uint32_t user = which == PRIO_USER && who == 0 ? self.uids.real : static_cast<uint32_t>(who);
  int group = which == PRIO_PGRP && who == 0 ? self.group : who;
  bool any = false;
  if (which == PRIO_PROCESS) {
    Task* task = task_of(who);
    if (task == nullptr) return -ESRCH;
    visit(*task);
    return 0;
  }
  for (Process* process = next_process(0); process != nullptr; process = process->next) {
    if (which == PRIO_PGRP ? process->group != group : process->uids.real != user) continue;
    for (Task* task = process->threads; task != nullptr; task = task->next_thread) {
      any = true;
      visit(*task);
    }
  }
  return any ? 0 : -ESRCH;
}

long set_policy(int pid, int policy, UserAddress parameter) {
  int priority;
  if (pid < 0 || parameter == 0) return -EINVAL;
  if (!get_user(priority, parameter)) return -EFAULT;
  SpinlockGuard guard(tasks_lock);
  Task* task = task_of(pid);
  if (task == nullptr) return -ESRCH;
  if (policy < 0) policy = task->policy;
  if (is_real_time(policy)) return priority < 1 || priority > kHighestPriority ? -EINVAL : -EPERM;
  if (!is_plain(policy) || priority != 0) return -EINVAL;
  task->policy = policy;
  return 0;
}

}  // namespace

long sys_sched_setscheduler(int pid, int policy, UserAddress parameter) {
  return policy < 0 ? -EINVAL : set_policy(pid, policy & ~SCHED_RESET_ON_FORK, parameter);
}

long sys_sched_setparam(int pid, UserAddress parameter) { return set_policy(pid, -1, parameter); }

long sys_sched_getscheduler(int pid) {
  if (pid < 0) return -EINVAL;
  SpinlockGuard guard(tasks_lock);
  const Task* task = task_of(pid);
  return task != nullptr ? task->policy : -ESRCH;
}

long sys_sched_getparam(int pid, UserAddress out) {
  if (pid < 0 || out == 0) return -EINVAL;
  {
    SpinlockGuard guard(tasks_lock);
    if (task_of(pid) == nullptr) return -ESRCH;
  }
  return put_user(out, 0) ? 0 : -EFAULT;
}

long sys_sched_get_priority_max(int policy) {
  if (is_real_time(policy)) return kHighestPriority;
  return is_plain(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(int policy) {
  if (is_real_time(policy)) return 1;
  return is_plain(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(int pid, UserAddress out) {
  if (pid < 0) return -EINVAL;
  {
    SpinlockGuard guard(tasks_lock);
    if (task_of(pid) == nullptr) return -ESRCH;
  }
  return put_user(out, to_time_spec(kSliceNs)) ? 0 : -EFAULT;
}

long sys_setpriority(int which, int who, int nice) {
  nice = min(max(nice, kLowestNice), kHighestNice);
  return for_each_named(which, who, [&](Task& task) { task.nice = nice; });
}

// 40 to 1 for -20 to 19: the best of those that are named.
long sys_getpriority(int which, int who) {
  int best = 0;
  long error = for_each_named(which, who, [&](const Task& task) { best = max(best, 20 - task.nice); });
  return error < 0 ? error : best;
}

}  // namespace mk
