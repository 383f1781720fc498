// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a program asks and tells about itself and its relatives: identities, groups, sessions, waiting for
// children.
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/resource.h>
#include <linux/wait.h>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "fs/pid_fd.h"
#include "lib/log.h"
#include "lib/string.h"
#include "proc/exit.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kRobustHeadSize = 24;  // struct robust_list_head

// wait4's shape of an exit code.
constexpr int exit_status(int code) { return (code & 0xff) << 8; }

// With tasks_lock held; 0: the caller's own.
Process* process_of(int pid) {
  if (pid == 0) return current().process.raw();
  Task* task = find_task(pid);
  return task != nullptr ? task->process.raw() : find_process(pid);
}

}  // namespace

long sys_exit(int code) { do_exit(exit_status(code)); }
long sys_exit_group(int code) { do_group_exit(exit_status(code)); }

long sys_getpid() { return current().tgid; }
long sys_gettid() { return current().pid; }
long sys_getppid() {
  SpinlockGuard guard(tasks_lock);
  const Process* parent = current().process->parent;
  return parent != nullptr ? parent->tgid : 0;
}
long sys_getpgrp() { return current().process->group; }

long sys_getpgid(int pid) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = process_of(pid);
  return process != nullptr ? process->group : -ESRCH;
}

long sys_getsid(int pid) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = process_of(pid);
  return process != nullptr ? process->session : -ESRCH;
}

// Linux's order of errors.
long sys_setpgid(int pid, int group) {
  if (group < 0) return -EINVAL;
  SpinlockGuard guard(tasks_lock);
  Process& self = *current().process;
  if (pid == 0) pid = self.tgid;
  if (group == 0) group = pid;
  Process* process = find_process(pid);
  if (process == nullptr) return -ESRCH;
  if (process->parent == &self) {
    if (process->session != self.session) return -EPERM;
    if (process->has_executed) return -EACCES;
  } else if (process != &self) {
    return -ESRCH;
  }
  if (process->session == process->tgid) return -EPERM;
  if (group != pid) {
    bool exists = false;
    for (Process* other = next_process(0); other != nullptr; other = other->next)
      exists |= other->group == group && other->session == self.session;
    if (!exists) return -EPERM;
  }
  process->group = group;
  return 0;
}

long sys_setsid() {
  SpinlockGuard guard(tasks_lock);
  Process& self = *current().process;
  for (Process* other = next_process(0); other != nullptr; other = other->next)
    if (other->group == self.tgid) return -EPERM;
  self.session = self.group = self.tgid;
  self.has_terminal = false;
  return self.tgid;
}

namespace {

void fill(rusage& usage, const Usage& from) {
  memset(&usage, 0, sizeof(usage));
  usage.ru_utime = {.tv_sec = static_cast<long>(from.run_ns / 1'000'000'000),
                    .tv_usec = static_cast<long>(from.run_ns / 1000 % 1'000'000)};
  usage.ru_minflt = static_cast<long>(from.minor_faults);
  usage.ru_maxrss = static_cast<long>(from.max_rss_pages * 4);
}

}  // namespace

long sys_wait4(int pid, UserAddress status, int options, UserAddress usage_out) {
  constexpr int kKnown = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | static_cast<int>(__WCLONE) | __WALL;
  if (options & ~kKnown) return -EINVAL;
  if (pid == INT32_MIN) return -ESRCH;
  WaitFor what;
  if (pid > 0) what = {WaitFor::Who::kPid, pid, 0};
  if (pid == 0) what = {WaitFor::Who::kGroup, current().process->group, 0};
  if (pid < -1) what = {WaitFor::Who::kGroup, -pid, 0};
  what.options = static_cast<uint32_t>(options) | WEXITED;
  ChildStatus found;
  if (long error = wait_for_child(what, found); error < 0) return error;
  if (found.pid == 0) return 0;
  rusage usage;
  fill(usage, found.usage);
  if (status != 0 && !put_user(status, found.status)) return -EFAULT;
  if (usage_out != 0 && !put_user(usage_out, usage)) return -EFAULT;
  return found.pid;
}

long sys_waitid(int type, int id, UserAddress info_out, int options, UserAddress usage_out) {
  constexpr int kKnown =
      WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | static_cast<int>(__WCLONE) | __WALL;
  if ((options & ~kKnown) || !(options & (WEXITED | WSTOPPED | WCONTINUED))) return -EINVAL;
  Ref<File> file;  // keeps the process of P_PIDFD
  WaitFor what;
  what.options = static_cast<uint32_t>(options);
  switch (type) {
    case P_ALL:
      break;
    case P_PID:
      if (id <= 0) return -EINVAL;
      what.who = WaitFor::Who::kPid;
      what.id = id;
      break;
    case P_PGID:
      if (id < 0) return -EINVAL;
      what.who = WaitFor::Who::kGroup;
      what.id = id == 0 ? current().process->group : id;
      break;
    case P_PIDFD:
      if (id < 0) return -EINVAL;
      file = current().files->get(id);
      what.who = WaitFor::Who::kProcess;
      what.process = file ? process_of_file(*file) : nullptr;
      if (what.process == nullptr) return -EBADF;
      if (file->flags & O_NONBLOCK) what.options |= WNOHANG;
      break;
    default:
      return -EINVAL;
  }
  ChildStatus found;
  if (long error = wait_for_child(what, found); error < 0) return error;
  if (found.pid == 0 && (what.options & WNOHANG) && !(options & WNOHANG)) return -EAGAIN;
  siginfo_t info = {};
  if (found.pid != 0) {
    info.si_signo = SIGCHLD;
    info.si_code = found.code;
    info.si_pid = found.pid;
    info.si_status = found.code == CLD_EXITED      ? found.status >> 8 & 0xff
                     : found.code == CLD_KILLED    ? found.status & 0x7f
                     : found.code == CLD_CONTINUED ? SIGCONT
                                                   : found.status >> 8;  // a tracee's with its event
  }
  rusage usage;
  fill(usage, found.usage);
  if (info_out != 0 && !put_user(info_out, info)) return -EFAULT;
  return usage_out != 0 && found.pid != 0 && !put_user(usage_out, usage) ? -EFAULT : 0;
}

long sys_getrusage(int who, UserAddress out) {
  Usage sum;
  {
    SpinlockGuard guard(tasks_lock);
    Task& task = current();
    switch (who) {
      case RUSAGE_SELF:
        sum = usage_of(*task.process);
        break;
      case RUSAGE_CHILDREN:
        sum = task.process->ended_children;
        break;
      case RUSAGE_THREAD:
        sum = {.run_ns = task.run_time_ns(), .minor_faults = task.minor_faults, .max_rss_pages = 0};
        break;
      default:
        return -EINVAL;
    }
  }
  rusage usage;
  fill(usage, sum);
  return put_user(out, usage) ? 0 : -EFAULT;
}

long sys_set_tid_address(UserAddress address) {
  current().clear_child_tid = address;
  return current().pid;
}

long sys_set_robust_list(UserAddress head, uint64_t size) {
  if (size != kRobustHeadSize) return -EINVAL;
  current().robust_list = head;
  return 0;
}

long sys_get_robust_list(int pid, UserAddress head_out, UserAddress size_out) {
  uint64_t head = 0;
  {
    SpinlockGuard guard(tasks_lock);
    const Task* task = pid == 0 ? &current() : find_task(pid);
    if (task == nullptr) return -ESRCH;
    head = task->robust_list;
  }
  return put_user(size_out, kRobustHeadSize) && put_user(head_out, head) ? 0 : -EFAULT;
}

long sys_arch_prctl(int option, uint64_t address) { return arch_prctl(current(), option, address); }

long arch_prctl(Task& task, int option, uint64_t address) {
  bool runs = &task == &current();
  switch (option) {
    case ARCH_SET_FS:
      if (address >= kUserEnd) return -EPERM;
      task.fs_base = address;
      if (runs) write_msr(kMsrFsBase, address);
      return 0;
    case ARCH_SET_GS:
      if (address >= kUserEnd) return -EPERM;
      task.gs_base = address;
      if (runs) write_msr(kMsrKernelGsBase, address);
      return 0;
    case ARCH_GET_FS:
      return put_user(address, runs ? read_msr(kMsrFsBase) : task.fs_base) ? 0 : -EFAULT;
    case ARCH_GET_GS:
      return put_user(address, runs ? read_msr(kMsrKernelGsBase) : task.gs_base) ? 0 : -EFAULT;
  }
  return -EINVAL;
}

}  // namespace mk
