// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a program asks and tells about itself. One process with one thread runs: it is init, and its own
// session.
#include <asm/prctl.h>
#include <asm/resource.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/time.h>
#include <linux/times.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// wait4's shape of an exit code.
constexpr int exit_status(int code) { return (code & 0xff) << 8; }

bool is_self(int pid) { return pid == 0 || pid == current().tgid; }

__kernel_old_timeval to_time_value(uint64_t ns) {
  return {.tv_sec = static_cast<long>(ns / 1'000'000'000),
          .tv_usec = static_cast<long>(ns / 1000 % 1'000'000)};
}

}  // namespace

long sys_exit(int code) { do_exit(exit_status(code)); }
long sys_exit_group(int code) { do_exit(exit_status(code)); }

long sys_getpid() { return current().tgid; }
long sys_gettid() { return current().pid; }
long sys_getppid() { return 0; }
long sys_getuid() { return 0; }
long sys_getgid() { return 0; }
long sys_geteuid() { return 0; }
long sys_getegid() { return 0; }
long sys_getpgrp() { return current().tgid; }
long sys_getpgid(int pid) { return is_self(pid) ? current().tgid : -ESRCH; }
long sys_getsid(int pid) { return is_self(pid) ? current().tgid : -ESRCH; }
long sys_sched_yield() { return 0; }

// Programs run on the boot CPU.
long sys_sched_getaffinity(int pid, unsigned size, UserAddress mask) {
  if (!is_self(pid)) return -ESRCH;
  if (size < sizeof(uint64_t) || size % sizeof(uint64_t) != 0) return -EINVAL;
  return put_user(mask, uint64_t{1}) ? static_cast<long>(sizeof(uint64_t)) : -EFAULT;
}

long sys_set_tid_address(UserAddress address) {
  current().clear_child_tid = address;
  return current().pid;
}

// The list matters when a thread dies holding a lock that another one waits for.
long sys_set_robust_list(UserAddress, uint64_t size) {
  constexpr uint64_t kHeadSize = 24;
  return size == kHeadSize ? 0 : -EINVAL;
}

long sys_arch_prctl(int option, uint64_t address) {
  Task& task = current();
  switch (option) {
    case ARCH_SET_FS:
      if (address >= kUserEnd) return -EPERM;
      task.fs_base = address;
      write_msr(kMsrFsBase, address);
      return 0;
    case ARCH_SET_GS:
      if (address >= kUserEnd) return -EPERM;
      task.gs_base = address;
      write_msr(kMsrKernelGsBase, address);
      return 0;
    case ARCH_GET_FS:
      return put_user(address, task.fs_base) ? 0 : -EFAULT;
    case ARCH_GET_GS:
      return put_user(address, task.gs_base) ? 0 : -EFAULT;
  }
  return -EINVAL;
}

long sys_prctl(int option, uint64_t a, uint64_t, uint64_t, uint64_t) {
  Task& task = current();
  switch (option) {
    case PR_SET_NAME: {
      char name[Task::kNameSize];
      long length = strncpy_from_user(name, a, sizeof(name) - 1);
      if (length < 0) return -EFAULT;
      memset(task.name, 0, sizeof(task.name));
      memcpy(task.name, name, static_cast<size_t>(length));
      return 0;
    }
    case PR_GET_NAME:
      return copy_to_user(a, task.name, sizeof(task.name)) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE:
      return 1;
  }
  log_unimplemented(__NR_prctl, "this option");
  return -EINVAL;
}

// With one thread nobody else can wake or wait: waiting where the value fits could only end by time.
long sys_futex(UserAddress word, int operation, uint32_t value, UserAddress timeout, UserAddress, uint32_t) {
  int command = operation & FUTEX_CMD_MASK;
  if (word % sizeof(uint32_t) != 0) return -EINVAL;
  switch (command) {
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
      return 0;
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      uint32_t now;
      if (!get_user(now, word)) return -EFAULT;
      if (now != value) return -EAGAIN;
      if (timeout == 0) {
        log("%s[%d]: waits on a futex that nobody can wake", current().name, current().pid);
        return -EINTR;
      }
      bool absolute = command == FUTEX_WAIT_BITSET;
      int clock = operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
      long slept = sys_clock_nanosleep(clock, absolute ? TIMER_ABSTIME : 0, timeout, 0);
      return slept == 0 ? -ETIMEDOUT : slept;
    }
  }
  log_unimplemented(__NR_futex, "this operation");
  return -ENOSYS;
}

long sys_prlimit64(int pid, unsigned resource, UserAddress in, UserAddress out) {
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  if (!is_self(pid)) return -ESRCH;
  Limit wanted;
  if (in != 0 && !get_user(wanted, in)) return -EFAULT;
  Limit& limit = current().limits[resource];
  Limit old = limit;
  if (in != 0) {
    if (wanted.soft > wanted.hard) return -EINVAL;
    if (resource == RLIMIT_NOFILE && wanted.hard > FileTable::kMaxFiles) return -EPERM;
    limit = wanted;
  }
  return out != 0 && !put_user(out, old) ? -EFAULT : 0;
}

long sys_getrlimit(unsigned resource, UserAddress out) { return sys_prlimit64(0, resource, 0, out); }
long sys_setrlimit(unsigned resource, UserAddress in) { return sys_prlimit64(0, resource, in, 0); }

long sys_getrusage(int who, UserAddress out) {
  if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD) return -EINVAL;
  rusage usage;
  memset(&usage, 0, sizeof(usage));
  if (who != RUSAGE_CHILDREN) {
    usage.ru_utime = to_time_value(now_ns() - current().start_ns);
    usage.ru_minflt = static_cast<long>(current().minor_faults);
  }
  return put_user(out, usage) ? 0 : -EFAULT;
}

long sys_times(UserAddress out) {
  constexpr uint64_t kNsPerTick = 10'000'000;  // AT_CLKTCK is 100
  tms times = {.tms_utime = static_cast<long>((now_ns() - current().start_ns) / kNsPerTick),
               .tms_stime = 0,
               .tms_cutime = 0,
               .tms_cstime = 0};
  if (out != 0 && !put_user(out, times)) return -EFAULT;
  return static_cast<long>(now_ns() / kNsPerTick);
}

}  // namespace mk
