// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which system calls there are, and the way in. Numbers are Linux's, from <asm/unistd.h>.
#include <asm/unistd.h>

#include "arch/x86_64/trace.h"
#include "arch/x86_64/trap.h"
#include "lib/log.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// From an array of registers to a function's own parameter types.
template <unsigned... kIndex>
struct Indices {};

template <typename... Args, unsigned... kIndex>
long spread(long (*function)(Args...), const uint64_t* arguments, Indices<kIndex...>) {
  (void)arguments;  // of a function without parameters
  return function(static_cast<Args>(arguments[kIndex])...);
}

template <typename... Args>
constexpr auto indices_for(long (*)(Args...)) {
  constexpr unsigned kCount = sizeof...(Args);
  if constexpr (kCount == 0) return Indices<>();
  if constexpr (kCount == 1) return Indices<0>();
  if constexpr (kCount == 2) return Indices<0, 1>();
  if constexpr (kCount == 3) return Indices<0, 1, 2>();
  if constexpr (kCount == 4) return Indices<0, 1, 2, 3>();
  if constexpr (kCount == 5) return Indices<0, 1, 2, 3, 4>();
  if constexpr (kCount == 6) return Indices<0, 1, 2, 3, 4, 5>();
}

template <auto kFunction>
long call(const uint64_t* arguments) {
  return spread(kFunction, arguments, indices_for(kFunction));
}

struct Name {
  unsigned number;
  const char* name;
};
constexpr Name kNames[] = {
#include "system_call_names.inc"
};

constexpr unsigned kHandlers = 512;

struct Table {
  SyscallHandler handlers[kHandlers];
};

// Known and declined without a word, as by a Linux built without it: glibc asks for rseq at every start and
// has another way.
long declined(const uint64_t*) { return -ENOSYS; }
// No file has extended attributes.
long no_attributes(const uint64_t*) { return -EOPNOTSUPP; }

constexpr Table make_table() {
  Table table = {};
  auto& h = table.handlers;
  h[__NR_read] = call<sys_read>;
  h[__NR_write] = call<sys_write>;
  h[__NR_readv] = call<sys_readv>;
  h[__NR_writev] = call<sys_writev>;
  h[__NR_pread64] = call<sys_pread64>;
  h[__NR_pwrite64] = call<sys_pwrite64>;
  h[__NR_lseek] = call<sys_lseek>;
  h[__NR_ioctl] = call<sys_ioctl>;
  h[__NR_poll] = call<sys_poll>;
  h[__NR_ppoll] = call<sys_ppoll>;
  h[__NR_getdents64] = call<sys_getdents64>;
  h[__NR_open] = call<sys_open>;
  h[__NR_openat] = call<sys_openat>;
  h[__NR_close] = call<sys_close>;
  h[__NR_dup] = call<sys_dup>;
  h[__NR_dup2] = call<sys_dup2>;
  h[__NR_dup3] = call<sys_dup3>;
  h[__NR_fcntl] = call<sys_fcntl>;
  h[__NR_stat] = call<sys_stat>;
  h[__NR_lstat] = call<sys_lstat>;
  h[__NR_fstat] = call<sys_fstat>;
  h[__NR_newfstatat] = call<sys_newfstatat>;
  h[__NR_statx] = call<sys_statx>;
  h[__NR_access] = call<sys_access>;
  h[__NR_faccessat] = call<sys_faccessat>;
  h[__NR_faccessat2] = call<sys_faccessat2>;
  h[__NR_readlink] = call<sys_readlink>;
  h[__NR_readlinkat] = call<sys_readlinkat>;
  h[__NR_getcwd] = call<sys_getcwd>;
  h[__NR_chdir] = call<sys_chdir>;
  h[__NR_fchdir] = call<sys_fchdir>;
  h[__NR_umask] = call<sys_umask>;
  h[__NR_preadv] = call<sys_preadv>;
  h[__NR_pwritev] = call<sys_pwritev>;
  h[__NR_preadv2] = call<sys_preadv2>;
  h[__NR_pwritev2] = call<sys_pwritev2>;
  h[__NR_openat2] = call<sys_openat2>;
  h[__NR_creat] = call<sys_creat>;
  h[__NR_close_range] = call<sys_close_range>;
  h[__NR_mkdir] = call<sys_mkdir>;
  h[__NR_mkdirat] = call<sys_mkdirat>;
  h[__NR_mknod] = call<sys_mknod>;
  h[__NR_mknodat] = call<sys_mknodat>;
  h[__NR_symlink] = call<sys_symlink>;
  h[__NR_symlinkat] = call<sys_symlinkat>;
  h[__NR_link] = call<sys_link>;
  h[__NR_linkat] = call<sys_linkat>;
  h[__NR_unlink] = call<sys_unlink>;
  h[__NR_unlinkat] = call<sys_unlinkat>;
  h[__NR_rmdir] = call<sys_rmdir>;
  h[__NR_rename] = call<sys_rename>;
  h[__NR_renameat] = call<sys_renameat>;
  h[__NR_renameat2] = call<sys_renameat2>;
  h[__NR_chmod] = call<sys_chmod>;
  h[__NR_fchmod] = call<sys_fchmod>;
  h[__NR_fchmodat] = call<sys_fchmodat>;
  h[452] = call<sys_fchmodat2>;  // __NR_fchmodat2, newer than the headers
  h[__NR_chown] = call<sys_chown>;
  h[__NR_lchown] = call<sys_lchown>;
  h[__NR_fchown] = call<sys_fchown>;
  h[__NR_fchownat] = call<sys_fchownat>;
  h[__NR_utimensat] = call<sys_utimensat>;
  h[__NR_futimesat] = call<sys_futimesat>;
  h[__NR_utimes] = call<sys_utimes>;
  h[__NR_utime] = call<sys_utime>;
  h[__NR_truncate] = call<sys_truncate>;
  h[__NR_ftruncate] = call<sys_ftruncate>;
  h[__NR_fadvise64] = call<sys_fadvise64>;
  h[__NR_fallocate] = call<sys_fallocate>;
  h[__NR_sendfile] = call<sys_sendfile>;
  h[__NR_copy_file_range] = call<sys_copy_file_range>;
  h[__NR_splice] = call<sys_splice>;
  h[__NR_tee] = call<sys_tee>;
  h[__NR_vmsplice] = call<sys_vmsplice>;
  h[__NR_io_uring_setup] = call<sys_io_uring_setup>;
  h[__NR_io_uring_enter] = call<sys_io_uring_enter>;
  h[__NR_io_uring_register] = call<sys_io_uring_register>;
  h[__NR_statfs] = call<sys_statfs>;
  h[__NR_fstatfs] = call<sys_fstatfs>;
  h[__NR_mount] = call<sys_mount>;
  h[__NR_umount2] = call<sys_umount2>;
  h[__NR_sync] = call<sys_sync>;
  h[__NR_fsync] = call<sys_fsync>;
  h[__NR_syncfs] = call<sys_syncfs>;
  h[__NR_userfaultfd] = call<sys_userfaultfd>;
  h[__NR_memfd_create] = call<sys_memfd_create>;
  h[__NR_flock] = call<sys_flock>;
  h[__NR_fdatasync] = call<sys_fsync>;
  for (unsigned number = __NR_setxattr; number <= __NR_fremovexattr; ++number) h[number] = no_attributes;
  h[__NR_mmap] = call<sys_mmap>;
  h[__NR_munmap] = call<sys_munmap>;
  h[__NR_mprotect] = call<sys_mprotect>;
  h[__NR_mremap] = call<sys_mremap>;
  h[__NR_brk] = call<sys_brk>;
  h[__NR_madvise] = call<sys_madvise>;
  h[__NR_mincore] = call<sys_mincore>;
  h[__NR_msync] = call<sys_msync>;
  h[__NR_mlock] = call<sys_mlock>;
  h[__NR_mlock2] = call<sys_mlock2>;
  h[__NR_munlock] = call<sys_munlock>;
  h[__NR_mlockall] = call<sys_mlockall>;
  h[__NR_munlockall] = call<sys_munlockall>;
  h[462] = call<sys_mseal>;  // __NR_mseal, newer than the headers
  h[__NR_pkey_alloc] = call<sys_pkey_alloc>;
  h[__NR_pkey_free] = call<sys_pkey_free>;
  h[__NR_pkey_mprotect] = call<sys_pkey_mprotect>;
  h[__NR_process_madvise] = call<sys_process_madvise>;
  h[__NR_exit] = call<sys_exit>;
  h[__NR_exit_group] = call<sys_exit_group>;
  h[__NR_getpid] = call<sys_getpid>;
  h[__NR_gettid] = call<sys_gettid>;
  h[__NR_getppid] = call<sys_getppid>;
  h[__NR_getuid] = call<sys_getuid>;
  h[__NR_getgid] = call<sys_getgid>;
  h[__NR_geteuid] = call<sys_geteuid>;
  h[__NR_getegid] = call<sys_getegid>;
  h[__NR_getpgrp] = call<sys_getpgrp>;
  h[__NR_getpgid] = call<sys_getpgid>;
  h[__NR_getsid] = call<sys_getsid>;
  h[__NR_sched_yield] = call<sys_sched_yield>;
  h[__NR_sched_getaffinity] = call<sys_sched_getaffinity>;
  h[__NR_set_tid_address] = call<sys_set_tid_address>;
  h[__NR_set_robust_list] = call<sys_set_robust_list>;
  h[__NR_get_robust_list] = call<sys_get_robust_list>;
  h[__NR_arch_prctl] = call<sys_arch_prctl>;
  h[__NR_prctl] = call<sys_prctl>;
  h[__NR_futex] = call<sys_futex>;
  h[__NR_getrlimit] = call<sys_getrlimit>;
  h[__NR_setrlimit] = call<sys_setrlimit>;
  h[__NR_prlimit64] = call<sys_prlimit64>;
  h[__NR_getrusage] = call<sys_getrusage>;
  h[__NR_times] = call<sys_times>;
  h[__NR_rt_sigaction] = call<sys_rt_sigaction>;
  h[__NR_rt_sigprocmask] = call<sys_rt_sigprocmask>;
  h[__NR_rt_sigpending] = call<sys_rt_sigpending>;
  h[__NR_rt_sigreturn] = call<sys_rt_sigreturn>;
  h[__NR_sigaltstack] = call<sys_sigaltstack>;
  h[__NR_kill] = call<sys_kill>;
  h[__NR_tkill] = call<sys_tkill>;
  h[__NR_tgkill] = call<sys_tgkill>;
  h[__NR_rt_sigqueueinfo] = call<sys_rt_sigqueueinfo>;
  h[__NR_clock_gettime] = call<sys_clock_gettime>;
  h[__NR_clock_getres] = call<sys_clock_getres>;
  h[__NR_gettimeofday] = call<sys_gettimeofday>;
  h[__NR_time] = call<sys_time>;
  h[__NR_nanosleep] = call<sys_nanosleep>;
  h[__NR_clock_nanosleep] = call<sys_clock_nanosleep>;
  h[__NR_uname] = call<sys_uname>;
  h[__NR_sysinfo] = call<sys_sysinfo>;
  h[__NR_getrandom] = call<sys_getrandom>;
  h[__NR_setuid] = call<sys_setuid>;
  h[__NR_setgroups] = call<sys_setgroups>;
  h[__NR_getgroups] = call<sys_getgroups>;
  h[__NR_getresuid] = call<sys_getresuid>;
  h[__NR_setpgid] = call<sys_setpgid>;
  h[__NR_setsid] = call<sys_setsid>;
  h[__NR_wait4] = call<sys_wait4>;
  h[__NR_waitid] = call<sys_waitid>;
  h[__NR_fork] = call<sys_fork>;
  h[__NR_vfork] = call<sys_vfork>;
  h[__NR_clone] = call<sys_clone>;
  h[__NR_clone3] = call<sys_clone3>;
  h[__NR_execve] = call<sys_execve>;
  h[__NR_execveat] = call<sys_execveat>;
  h[__NR_sched_setaffinity] = call<sys_sched_setaffinity>;
  h[__NR_sched_getparam] = call<sys_sched_getparam>;
  h[__NR_sched_getscheduler] = call<sys_sched_getscheduler>;
  h[__NR_getpriority] = call<sys_getpriority>;
  h[__NR_setpriority] = call<sys_setpriority>;
  h[__NR_sched_setscheduler] = call<sys_sched_setscheduler>;
  h[__NR_sched_setparam] = call<sys_sched_setparam>;
  h[__NR_sched_get_priority_max] = call<sys_sched_get_priority_max>;
  h[__NR_sched_get_priority_min] = call<sys_sched_get_priority_min>;
  h[__NR_sched_rr_get_interval] = call<sys_sched_rr_get_interval>;
  h[__NR_unshare] = call<sys_unshare>;
  h[__NR_setns] = call<sys_setns>;
  h[__NR_getcpu] = call<sys_getcpu>;
  h[__NR_rt_sigsuspend] = call<sys_rt_sigsuspend>;
  h[__NR_rt_sigtimedwait] = call<sys_rt_sigtimedwait>;
  h[__NR_pause] = call<sys_pause>;
  h[__NR_rt_tgsigqueueinfo] = call<sys_rt_tgsigqueueinfo>;
  h[__NR_restart_syscall] = call<sys_restart_syscall>;
  h[__NR_setitimer] = call<sys_setitimer>;
  h[__NR_getitimer] = call<sys_getitimer>;
  h[__NR_alarm] = call<sys_alarm>;
  h[__NR_setgid] = call<sys_setgid>;
  h[__NR_setresuid] = call<sys_setresuid>;
  h[__NR_setresgid] = call<sys_setresgid>;
  h[__NR_setreuid] = call<sys_setreuid>;
  h[__NR_setregid] = call<sys_setregid>;
  h[__NR_getresgid] = call<sys_getresgid>;
  h[__NR_select] = call<sys_select>;
  h[__NR_pselect6] = call<sys_pselect6>;
  h[__NR_pipe] = call<sys_pipe>;
  h[__NR_pipe2] = call<sys_pipe2>;
  h[__NR_eventfd] = call<sys_eventfd>;
  h[__NR_eventfd2] = call<sys_eventfd2>;
  h[__NR_epoll_create] = call<sys_epoll_create>;
  h[__NR_epoll_create1] = call<sys_epoll_create1>;
  h[__NR_epoll_ctl] = call<sys_epoll_ctl>;
  h[__NR_epoll_wait] = call<sys_epoll_wait>;
  h[__NR_epoll_pwait] = call<sys_epoll_pwait>;
  h[__NR_epoll_pwait2] = call<sys_epoll_pwait2>;
  h[__NR_timer_create] = call<sys_timer_create>;
  h[__NR_timer_settime] = call<sys_timer_settime>;
  h[__NR_timer_gettime] = call<sys_timer_gettime>;
  h[__NR_timer_getoverrun] = call<sys_timer_getoverrun>;
  h[__NR_timer_delete] = call<sys_timer_delete>;
  h[__NR_timerfd_create] = call<sys_timerfd_create>;
  h[__NR_timerfd_settime] = call<sys_timerfd_settime>;
  h[__NR_timerfd_gettime] = call<sys_timerfd_gettime>;
  h[__NR_process_vm_readv] = call<sys_process_vm_readv>;
  h[__NR_process_vm_writev] = call<sys_process_vm_writev>;
  h[__NR_pidfd_open] = call<sys_pidfd_open>;
  h[__NR_pidfd_send_signal] = call<sys_pidfd_send_signal>;
  h[__NR_pidfd_getfd] = call<sys_pidfd_getfd>;
  h[__NR_ptrace] = call<sys_ptrace>;
  h[__NR_rseq] = declined;
  return table;
}

constexpr Table kTable = make_table();

// Says once per program that something is missing.
bool first_time(uint64_t number) {
  uint64_t* logged = current().unimplemented_logged;
  constexpr uint64_t kNumbers = sizeof(current().unimplemented_logged) * 8;
  uint64_t bit = number < kNumbers ? number : kNumbers - 1;
  uint64_t mask = 1ul << bit % 64;
  if (logged[bit / 64] & mask) return false;
  logged[bit / 64] |= mask;
  return true;
}

}  // namespace

SyscallHandler syscall_handler(uint64_t number) {
  return number < kHandlers ? kTable.handlers[number] : nullptr;
}

const char* syscall_name(uint64_t number) {
  for (const Name& name : kNames)
    if (name.number == number) return name.name;
  return nullptr;
}

void log_unimplemented(uint64_t number, const char* detail) {
  if (!first_time(number)) return;
  const char* name = syscall_name(number);
  log("%s[%d]: unimplemented system call %lu (%s%s%s)", current().name, current().pid, number,
      name != nullptr ? name : "no such call in Linux", *detail != 0 ? ": " : "", detail);
}

void handle_syscall(TrapFrame& frame) {
  Task& task = current();
  task.frame = &frame;
  bool wanted = !task.trace.syscalls || trace_syscall_entry(task, frame);
  // A negative number is far beyond the table.
  uint64_t number = static_cast<uint32_t>(frame.error_code);
  const uint64_t arguments[6] = {frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9};
  trace(TraceType::kSyscallEnter, number, arguments[0], arguments[1], arguments[2], arguments[3],
        arguments[4], arguments[5]);
  SyscallHandler handler = syscall_handler(number);
  long result = -ENOSYS;
  if (!wanted) {
    result = static_cast<long>(frame.rax);
  } else if (handler != nullptr) {
    result = handler(arguments);
  } else {
    log_unimplemented(number, "");
  }
  frame.rax = static_cast<uint64_t>(result);
  trace(TraceType::kSyscallExit, number, result);
  if (task.trace.syscalls || task.trace.step) trace_syscall_exit(task, frame);
}

}  // namespace mk
