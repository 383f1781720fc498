// SPDX-License-Identifier: GPL-2.0-or-later
//
// Making tasks, what they share, where they run, and how they wait for one another in memory.
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/times.h>

#include "arch/x86_64/clock.h"
#include "fs/vfs.h"
#include "lib/string.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "sys/syscall.h"

namespace mk {

long sys_fork() { return clone_task({.exit_signal = SIGCHLD}); }
long sys_vfork() { return clone_task({.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD}); }

// Here a pidfd goes where the child's number would.
long sys_clone(uint64_t flags, uint64_t stack, UserAddress parent_tid, UserAddress child_tid, uint64_t tls) {
  if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID)) return -EINVAL;
  return clone_task({.flags = flags & ~static_cast<uint64_t>(CSIGNAL),
                     .child_tid = child_tid,
                     .parent_tid = parent_tid,
                     .exit_signal = static_cast<int>(flags & CSIGNAL),
                     .stack_pointer = stack,
                     .tls = tls,
                     .pidfd = parent_tid});
}

long sys_clone3(UserAddress address, uint64_t size) {
  clone_args arguments = {};
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (size > kPageSize) return -E2BIG;
  if (!copy_from_user(&arguments, address, min(size, sizeof(arguments)))) return -EFAULT;
  // What a newer kernel would know must be zero here.
  for (uint64_t at = sizeof(arguments); at < size; ++at) {
    char byte;
    if (!copy_from_user(&byte, address + at, 1)) return -EFAULT;
    if (byte != 0) return -E2BIG;
  }
  if (arguments.set_tid != 0 || arguments.set_tid_size != 0 || arguments.cgroup != 0) return -EINVAL;
  if ((arguments.flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME))) || arguments.exit_signal > kSignals)
    return -EINVAL;
  if ((arguments.flags & (CLONE_THREAD | CLONE_PARENT)) && arguments.exit_signal != 0) return -EINVAL;
  if ((arguments.stack == 0) != (arguments.stack_size == 0)) return -EINVAL;
  return clone_task({.flags = arguments.flags,
                     .child_tid = arguments.child_tid,
                     .parent_tid = arguments.parent_tid,
                     .exit_signal = static_cast<int>(arguments.exit_signal),
                     .stack_pointer = arguments.stack + arguments.stack_size,
                     .tls = arguments.tls,
                     .pidfd = arguments.pidfd});
}

long sys_sched_yield() {
  yield();
  return 0;
}

long sys_sched_getaffinity(int pid, unsigned size, UserAddress mask) {
  if (size < sizeof(uint64_t) || size % sizeof(uint64_t) != 0) return -EINVAL;
  uint64_t cpus = 0;
  {
    SpinlockGuard guard(tasks_lock);
    const Task* task = pid == 0 ? &current() : find_task(pid);
    if (task == nullptr) return -ESRCH;
    cpus = task->affinity & (cpu_count() == 64 ? ~0ul : (1ul << cpu_count()) - 1);
  }
  return put_user(mask, cpus) ? static_cast<long>(sizeof(uint64_t)) : -EFAULT;
}

long sys_sched_setaffinity(int pid, unsigned size, UserAddress mask) {
  uint64_t cpus = 0;
  if (!copy_from_user(&cpus, mask, min(size, static_cast<unsigned>(sizeof(cpus))))) return -EFAULT;
  if ((cpus & running_cpus()) == 0) return -EINVAL;
  {
    SpinlockGuard guard(tasks_lock);
    Task* task = pid == 0 ? &current() : find_task(pid);
    if (task == nullptr) return -ESRCH;
    set_affinity(*task, cpus);
  }
  schedule_if_needed();
  return 0;
}

long sys_getcpu(UserAddress cpu_out, UserAddress node_out) {
  uint32_t index = this_cpu().index;
  if (cpu_out != 0 && !put_user(cpu_out, index)) return -EFAULT;
  return node_out != 0 && !put_user(node_out, uint32_t{0}) ? -EFAULT : 0;
}

// What a task shares with others becomes its own. There are no namespaces.
long sys_unshare(uint64_t flags) {
  constexpr uint64_t kNeedsOneThread = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  if (flags & ~(kNeedsOneThread | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)) return -EINVAL;
  Task& task = current();
  if ((flags & kNeedsOneThread) && __atomic_load_n(&task.process->thread_count, __ATOMIC_ACQUIRE) > 1)
    return -EINVAL;
  Ref<FileSystemContext> fs = flags & CLONE_FS ? make<FileSystemContext>(*task.fs) : task.fs;
  Ref<FileTable> files = flags & CLONE_FILES && task.files->is_shared() ? task.files->clone() : task.files;
  if (!fs || !files) return -ENOMEM;
  take_place(task, fs);
  take_files(task, files);
  return 0;
}

long sys_setns(int fd, int) { return current().files->is_open(fd) ? -EINVAL : -EBADF; }

long sys_futex(UserAddress word, int operation, uint32_t value, UserAddress timeout, UserAddress word2,
               uint32_t value3) {
  int command = operation & FUTEX_CMD_MASK;
  bool is_private = operation & FUTEX_PRIVATE_FLAG;
  auto value2 = static_cast<uint32_t>(timeout);  // where it is no time
  if ((operation & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET) return -ENOSYS;
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      FutexWait wait = {.word = word,
                        .value = value,
                        .bits = command == FUTEX_WAIT ? ~0u : value3,
                        .is_private = is_private};
      if (timeout != 0) {
        Result<uint64_t> end =
            user_deadline(timeout, command == FUTEX_WAIT_BITSET,
                          operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
        if (!end.ok()) return end.error();
        wait.end = *end;
      }
      long result = futex_wait(wait);
      // A relative time would start anew.
      return result == -kRestartSys && timeout != 0 && command == FUTEX_WAIT ? -EINTR : result;
    }
    case FUTEX_WAKE:
      return futex_wake(word, value, ~0u, is_private);
    case FUTEX_WAKE_BITSET:
      return futex_wake(word, value, value3, is_private);
    case FUTEX_REQUEUE:
      if (static_cast<int>(value) < 0 || static_cast<int>(value2) < 0) return -EINVAL;
      return futex_requeue(word, word2, value, value2, nullptr, is_private);
    case FUTEX_CMP_REQUEUE:
      if (static_cast<int>(value) < 0 || static_cast<int>(value2) < 0) return -EINVAL;
      return futex_requeue(word, word2, value, value2, &value3, is_private);
    case FUTEX_WAKE_OP:
      return futex_wake_op(word, word2, value, value2, value3, is_private);
  }
  log_unimplemented(__NR_futex, "this operation");
  return -ENOSYS;
}

long sys_prlimit64(int pid, unsigned resource, UserAddress in, UserAddress out) {
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  Limit wanted;
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  Limit old;
  {
    SpinlockGuard guard(tasks_lock);
    Process* process = current().process.raw();
    if (pid != 0) {
      Task* task = find_task(pid);
      process = task != nullptr ? task->process.raw() : find_process(pid);
      if (process == nullptr) return -ESRCH;
    }
    Limit& limit = process->limits[resource];
    old = limit;
    if (in != 0) {
      if (wanted.soft > wanted.hard) return -EINVAL;
      if (wanted.hard > old.hard && current().process->uids.effective != 0) return -EPERM;
      if (resource == RLIMIT_NOFILE && wanted.hard > FileTable::kMaxFiles) return -EPERM;
      limit = wanted;
    }
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_getrlimit(unsigned resource, UserAddress out) { return sys_prlimit64(0, resource, 0, out); }
long sys_setrlimit(unsigned resource, UserAddress in) { return sys_prlimit64(0, resource, in, 0); }

long sys_times(UserAddress out) {
  constexpr uint64_t kNsPerTick = 10'000'000;  // AT_CLKTCK is 100
  tms times = {};
  {
    SpinlockGuard guard(tasks_lock);
    const Process& process = *current().process;
    times.tms_utime = static_cast<long>(usage_of(process).run_ns / kNsPerTick);
    times.tms_cutime = static_cast<long>(process.ended_children.run_ns / kNsPerTick);
  }
  if (out != 0 && !put_user(out, times)) return -EFAULT;
  return static_cast<long>(now_ns() / kNsPerTick);
}

}  // namespace mk
