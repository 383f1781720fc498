// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signal system calls (Linux kernel/signal.c). With one process, every signal is for oneself: another pid is
// ESRCH.
#include <linux/signal.h>

#include "sys/syscall.h"

namespace mk {
namespace {

bool valid_signal(int number) { return number >= 1 && number <= kSignals; }

long send_to_self(int number, int code) {
  if (number < 0 || number > kSignals) return -EINVAL;
  if (number == 0) return 0;  // only asks whether there is such a process
  Task& task = current();
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = code;
  info.si_pid = task.tgid;
  send_signal(task, info);
  return 0;
}

}  // namespace

long sys_rt_sigaction(int number, UserAddress in, UserAddress out, uint64_t set_size) {
  if (set_size != sizeof(SignalSet)) return -EINVAL;
  SignalAction wanted;
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  if (!valid_signal(number) || (in != 0 && (signal_bit(number) & kUnblockable))) return -EINVAL;
  SignalAction& action = current().handlers->action(number);
  SignalAction old = action;
  if (in != 0) {
    constexpr uint64_t kKnownFlags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |
                                     SA_NODEFER | SA_RESETHAND | SA_EXPOSE_TAGBITS | SA_RESTORER;
    action = wanted;
    action.flags &= kKnownFlags;
    action.mask &= ~kUnblockable;
    drop_ignored(current(), number);
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_rt_sigprocmask(int how, UserAddress in, UserAddress out, uint64_t set_size) {
  if (set_size != sizeof(SignalSet)) return -EINVAL;
  SignalSet& blocked = current().signals.blocked;
  SignalSet old = blocked;
  if (in != 0) {
    SignalSet wanted;
    if (!get_user(wanted, in)) return -EFAULT;
    wanted &= ~kUnblockable;
    switch (how) {
      case SIG_BLOCK:
        blocked |= wanted;
        break;
      case SIG_UNBLOCK:
        blocked &= ~wanted;
        break;
      case SIG_SETMASK:
        blocked = wanted;
        break;
      default:
        return -EINVAL;
    }
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_rt_sigpending(UserAddress out, uint64_t set_size) {
  if (set_size > sizeof(SignalSet)) return -EINVAL;
  SignalSet set = current().signals.pending & current().signals.blocked;
  return copy_to_user(out, &set, set_size) ? 0 : -EFAULT;
}

long sys_rt_sigreturn() { return do_rt_sigreturn(*current().frame); }

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
  // Oneself, one's process group, or everybody but init and oneself: nobody.
  int own = current().tgid;
  if (pid != own && pid != 0 && pid != -own) return -ESRCH;
  return send_to_self(number, SI_USER);
}

long sys_tkill(int tid, int number) {
  if (tid <= 0) return -EINVAL;
  return sys_tgkill(current().tgid, tid, number);
}

long sys_tgkill(int tgid, int tid, int number) {
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  if (tgid != current().tgid || tid != current().pid) return -ESRCH;
  return send_to_self(number, SI_TKILL);
}

long sys_rt_sigqueueinfo(int pid, int number, UserAddress in) {
  siginfo_t info;
  if (!get_user(info, in)) return -EFAULT;
  if (pid != current().tgid) return -ESRCH;
  if (number < 0 || number > kSignals) return -EINVAL;
  if (number == 0) return 0;
  info.si_signo = number;
  send_signal(current(), info);
  return 0;
}

}  // namespace mk
