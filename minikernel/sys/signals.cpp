// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signal system calls (Linux kernel/signal.c).
#include <linux/signal.h>

#include "arch/x86_64/clock.h"
#include "sys/syscall.h"

namespace mk {
namespace {

bool valid_signal(int number) { return number >= 1 && number <= kSignals; }

siginfo_t info_of_sender(int number, int code) {
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = code;
  info.si_pid = current().tgid;
  return info;
}

long send_to_process(int pid, const siginfo_t& info) {
  SpinlockGuard guard(tasks_lock);
  for (Process* process = next_process(0); process != nullptr; process = process->next) {
    bool wanted = process->tgid == pid;
    for (const Task* task = process->threads; task != nullptr; task = task->next_thread)
      wanted |= task->pid == pid;
    if (!wanted) continue;
    if (info.si_signo != 0) send_process_signal_locked(*process, info);
    return 0;
  }
  return -ESRCH;
}

// Sends to every process that `wanted` names; -ESRCH when there is none.
template <typename Wanted>
long send_to_processes(const siginfo_t& info, Wanted wanted) {
  SpinlockGuard guard(tasks_lock);
  bool any = false;
  for (Process* process = next_process(0); process != nullptr; process = process->next) {
    if (!wanted(*process)) continue;
    any = true;
    if (info.si_signo != 0) send_shared_signal_locked(*process, info);
  }
  return any ? 0 : -ESRCH;
}

long send_to_task(int tgid, int tid, const siginfo_t& info) {
  SpinlockGuard guard(tasks_lock);
  Task* task = find_task(tid);
  if (task == nullptr || (tgid > 0 && task->tgid != tgid)) return -ESRCH;
  if (info.si_signo != 0) send_signal_locked(*task, info);
  return 0;
}

}  // namespace

long sys_rt_sigaction(int number, UserAddress in, UserAddress out, uint64_t set_size) {
  if (set_size != sizeof(SignalSet)) return -EINVAL;
  SignalAction wanted;
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  if (!valid_signal(number) || (in != 0 && (signal_bit(number) & kUnblockable))) return -EINVAL;
  SignalAction old;
  {
    SpinlockGuard guard(tasks_lock);
    SignalAction& action = current().handlers->action(number);
    old = action;
    if (in != 0) {
      constexpr uint64_t kKnownFlags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |
                                       SA_NODEFER | SA_RESETHAND | SA_EXPOSE_TAGBITS | SA_RESTORER;
      action = wanted;
      action.flags &= kKnownFlags;
      action.mask &= ~kUnblockable;
      drop_ignored_locked(*current().process, number);
    }
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_rt_sigprocmask(int how, UserAddress in, UserAddress out, uint64_t set_size) {
  if (set_size != sizeof(SignalSet)) return -EINVAL;
  SignalSet old = current().signals.blocked;
  if (in != 0) {
    SignalSet wanted;
    if (!get_user(wanted, in)) return -EFAULT;
    switch (how) {
      case SIG_BLOCK:
        set_blocked(current(), old | wanted);
        break;
      case SIG_UNBLOCK:
        set_blocked(current(), old & ~wanted);
        break;
      case SIG_SETMASK:
        set_blocked(current(), wanted);
        break;
      default:
        return -EINVAL;
    }
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_rt_sigpending(UserAddress out, uint64_t set_size) {
  if (set_size > sizeof(SignalSet)) return -EINVAL;
  const Task& task = current();
  SignalSet set = (task.signals.pending.set | task.process->pending.set) & task.signals.blocked;
  return copy_to_user(out, &set, set_size) ? 0 : -EFAULT;
}

long sys_rt_sigreturn() { return do_rt_sigreturn(*current().frame); }

// Waits under another mask for a signal that a handler takes.
long sys_rt_sigsuspend(UserAddress in, uint64_t set_size) {
  SignalSet wanted;
  if (set_size != sizeof(wanted)) return -EINVAL;
  if (!get_user(wanted, in)) return -EFAULT;
  Task& task = current();
  task.signals.restore_mask(task.signals.blocked);
  set_blocked(task, wanted);
  sys_pause();
  return -kRestartNoHandler;
}

long sys_pause() {
  WaitQueue nobody;
  sleep_until(nobody, [] { return false; });
  return -kRestartNoHandler;
}

long sys_rt_sigtimedwait(UserAddress set_in, UserAddress info_out, UserAddress timeout, uint64_t set_size) {
  SignalSet wanted;
  if (set_size != sizeof(wanted)) return -EINVAL;
  if (!get_user(wanted, set_in)) return -EFAULT;
  wanted &= ~kUnblockable;
  uint64_t end = kNever;
  if (timeout != 0) {
    Result<uint64_t> given = user_deadline(timeout, false, 0);
    if (!given.ok()) return given.error();
    end = *given;
  }
  Task& task = current();
  siginfo_t info;
  int number = 0;
  __atomic_store_n(&task.signals.awaited, wanted, __ATOMIC_SEQ_CST);
  WaitQueue nobody;
  long slept = sleep_until(
      nobody, [&] { return (number = take_signal(task, wanted, info)) != 0; }, Sleep::kInterruptible, end);
  task.signals.awaited = 0;
  if (slept == -ETIMEDOUT) return -EAGAIN;
  if (slept < 0) return -EINTR;
  return info_out != 0 && !put_user(info_out, info) ? -EFAULT : number;
}

long sys_sigaltstack(UserAddress in, UserAddress out) {
  stack_t wanted;
  stack_t old = {};
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  long error = do_sigaltstack(current(), in != 0 ? &wanted : nullptr, &old, current().frame->rsp);
  if (error < 0) return error;
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_kill(int pid, int number) {
  if (number < 0 || number > kSignals) return -EINVAL;
  siginfo_t info = info_of_sender(number, SI_USER);
  const Process& self = *current().process;
  if (pid > 0) return send_to_process(pid, info);
  if (pid == -1)
    return send_to_processes(info,
                             [&](const Process& process) { return process.tgid > 1 && &process != &self; });
  if (pid == INT32_MIN) return -ESRCH;
  int group = pid == 0 ? self.group : -pid;
  return send_to_processes(info, [&](const Process& process) { return process.group == group; });
}

long sys_tkill(int tid, int number) {
  if (tid <= 0 || number < 0 || number > kSignals) return -EINVAL;
  return send_to_task(0, tid, info_of_sender(number, SI_TKILL));
}

long sys_tgkill(int tgid, int tid, int number) {
  if (tgid <= 0 || tid <= 0 || number < 0 || number > kSignals) return -EINVAL;
  return send_to_task(tgid, tid, info_of_sender(number, SI_TKILL));
}

namespace {

// What a program says about a signal it queues; only to itself may it claim what the kernel says (Linux's
// do_rt_sigqueueinfo).
long read_info(UserAddress in, int number, bool to_itself, siginfo_t& info) {
  if (!get_user(info, in)) return -EFAULT;
  if (number < 0 || number > kSignals) return -EINVAL;
  if ((info.si_code >= 0 || info.si_code == SI_TKILL) && !to_itself) return -EPERM;
  info.si_signo = number;
  return 0;
}

}  // namespace

long sys_rt_sigqueueinfo(int pid, int number, UserAddress in) {
  siginfo_t info;
  if (long error = read_info(in, number, pid == current().tgid, info); error < 0) return error;
  return send_to_processes(info, [&](const Process& process) { return process.tgid == pid; });
}

long sys_rt_tgsigqueueinfo(int tgid, int tid, int number, UserAddress in) {
  siginfo_t info;
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  if (long error = read_info(in, number, tid == current().pid, info); error < 0) return error;
  return send_to_task(tgid, tid, info);
}

}  // namespace mk
