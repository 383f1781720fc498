// SPDX-License-Identifier: GPL-2.0-or-later
//
// The system calls. One file per family (files, memory, process, signals, time, system); each function takes
// its arguments in the types of Linux's prototypes - unsigned 64-bit for addresses and sizes, int for
// descriptors - and returns a value or -errno. table.cpp is the list. User memory is named by address, never
// dereferenced.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

using UserAddress = uint64_t;

using SyscallHandler = long (*)(const uint64_t* arguments);

// The handler of a number, null when it is not implemented; its name, null when Linux has none either.
SyscallHandler syscall_handler(uint64_t number);
const char* syscall_name(uint64_t number);

// A path argument in kernel memory.
class UserPath {
 public:
  explicit UserPath(UserAddress address);
  ~UserPath() { kfree(text_); }
  UserPath(const UserPath&) = delete;
  bool ok() const { return error_ == 0; }
  long error() const { return error_; }
  const char* text() const { return text_; }
  bool empty() const { return *text_ == 0; }

 private:
  char* text_ = nullptr;
  long error_ = 0;
};

// Where the relative path of an *at call starts: AT_FDCWD or a descriptor of a directory.
Result<Ref<Dentry>> base_directory(int directory_fd, const char* path);

// The file that (directory, path, AT_* flags) names; AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH count.
Result<Ref<Dentry>> find_at(int directory, UserAddress path, unsigned flags);
// A descriptor for an open file, the lowest from `lowest` on; -EMFILE, -ENOMEM.
long install(Ref<File> file, bool close_on_exec, int lowest = 0);

// Something unimplemented inside a call that exists (an option, a flag): said once per program, like a
// missing call.
void log_unimplemented(uint64_t number, const char* detail);

// files.cpp
long sys_read(int fd, UserAddress buffer, uint64_t size);
long sys_write(int fd, UserAddress buffer, uint64_t size);
long sys_readv(int fd, UserAddress vector, uint64_t count);
long sys_writev(int fd, UserAddress vector, uint64_t count);
long sys_pread64(int fd, UserAddress buffer, uint64_t size, int64_t offset);
long sys_pwrite64(int fd, UserAddress buffer, uint64_t size, int64_t offset);
long sys_preadv(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t unused);
long sys_pwritev(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t unused);
long sys_preadv2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t unused, int flags);
long sys_pwritev2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t unused, int flags);
long sys_lseek(int fd, int64_t offset, unsigned whence);
long sys_ioctl(int fd, unsigned command, uint64_t argument);
// memfd.cpp
long sys_userfaultfd(unsigned flags);
// directories.cpp
long sys_getdents64(int fd, UserAddress buffer, unsigned size);
long sys_getcwd(UserAddress buffer, uint64_t size);
long sys_chdir(UserAddress path);
long sys_fchdir(int fd);
// descriptors.cpp
long sys_open(UserAddress path, int flags, unsigned mode);
long sys_openat(int directory, UserAddress path, int flags, unsigned mode);
long sys_openat2(int directory, UserAddress path, UserAddress how, uint64_t size);
long sys_creat(UserAddress path, unsigned mode);
long sys_close(int fd);
long sys_close_range(unsigned first, unsigned last, unsigned flags);
long sys_dup(int fd);
long sys_dup2(int from, int to);
long sys_dup3(int from, int to, int flags);
long sys_fcntl(int fd, unsigned command, uint64_t argument);
// paths.cpp
long sys_stat(UserAddress path, UserAddress out);
long sys_lstat(UserAddress path, UserAddress out);
long sys_fstat(int fd, UserAddress out);
long sys_newfstatat(int directory, UserAddress path, UserAddress out, int flags);
long sys_statx(int directory, UserAddress path, unsigned flags, unsigned mask, UserAddress out);
long sys_access(UserAddress path, int mode);
long sys_faccessat(int directory, UserAddress path, int mode);
long sys_faccessat2(int directory, UserAddress path, int mode, int flags);
long sys_readlink(UserAddress path, UserAddress buffer, int size);
long sys_readlinkat(int directory, UserAddress path, UserAddress buffer, int size);
// names.cpp
long sys_mkdir(UserAddress path, unsigned mode);
long sys_mkdirat(int directory, UserAddress path, unsigned mode);
long sys_mknod(UserAddress path, unsigned mode, unsigned device);
long sys_mknodat(int directory, UserAddress path, unsigned mode, unsigned device);
long sys_symlink(UserAddress target, UserAddress path);
long sys_symlinkat(UserAddress target, int directory, UserAddress path);
long sys_link(UserAddress from, UserAddress to);
long sys_linkat(int from_directory, UserAddress from, int to_directory, UserAddress to, int flags);
long sys_unlink(UserAddress path);
long sys_unlinkat(int directory, UserAddress path, int flags);
long sys_rmdir(UserAddress path);
long sys_rename(UserAddress from, UserAddress to);
long sys_renameat(int from_directory, UserAddress from, int to_directory, UserAddress to);
long sys_renameat2(int from_directory, UserAddress from, int to_directory, UserAddress to, unsigned flags);
// attributes.cpp
long sys_chmod(UserAddress path, unsigned mode);
long sys_fchmod(int fd, unsigned mode);
long sys_fchmodat(int directory, UserAddress path, unsigned mode);
long sys_fchmodat2(int directory, UserAddress path, unsigned mode, int flags);
long sys_chown(UserAddress path, unsigned uid, unsigned gid);
long sys_lchown(UserAddress path, unsigned uid, unsigned gid);
long sys_fchown(int fd, unsigned uid, unsigned gid);
long sys_fchownat(int directory, UserAddress path, unsigned uid, unsigned gid, int flags);
long sys_utimensat(int directory, UserAddress path, UserAddress times, int flags);
long sys_futimesat(int directory, UserAddress path, UserAddress times);
long sys_utimes(UserAddress path, UserAddress times);
long sys_utime(UserAddress path, UserAddress times);
long sys_truncate(UserAddress path, int64_t size);
long sys_ftruncate(int fd, int64_t size);
long sys_fallocate(int fd, int mode, int64_t offset, int64_t length);
long sys_fadvise64(int fd, int64_t offset, int64_t length, int advice);
long sys_umask(unsigned mask);
// transfers.cpp
long sys_sendfile(int out, int in, UserAddress offset, uint64_t count);
long sys_copy_file_range(int in, UserAddress in_offset, int out, UserAddress out_offset, uint64_t count,
                         unsigned flags);
// mounts.cpp
long sys_statfs(UserAddress path, UserAddress out);
long sys_fstatfs(int fd, UserAddress out);
long sys_mount(UserAddress source, UserAddress target, UserAddress type, uint64_t flags, UserAddress data);
long sys_umount2(UserAddress target, int flags);
long sys_sync();
long sys_fsync(int fd);
long sys_syncfs(int fd);
// splice.cpp
long sys_splice(int in, UserAddress in_offset, int out, UserAddress out_offset, uint64_t bytes,
                unsigned flags);
long sys_tee(int in, int out, uint64_t bytes, unsigned flags);
long sys_vmsplice(int fd, UserAddress vector, uint64_t count, unsigned flags);
// io_uring.cpp
long sys_io_uring_setup(uint32_t entries, UserAddress params);
long sys_io_uring_enter(int fd, uint32_t to_submit, uint32_t least, unsigned flags, UserAddress argument,
                        uint64_t argument_size);
long sys_io_uring_register(int fd, unsigned opcode, UserAddress argument, uint32_t count);
// memfd.cpp, flock.cpp
long sys_memfd_create(UserAddress name, unsigned flags);
long sys_flock(int fd, unsigned operation);
// memory.cpp
long sys_mmap(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags, int fd, uint64_t offset);
long sys_munmap(uint64_t address, uint64_t length);
long sys_mprotect(uint64_t address, uint64_t length, uint64_t prot);
long sys_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                uint64_t new_address);
long sys_brk(uint64_t address);
long sys_madvise(uint64_t address, uint64_t length, int advice);
long sys_mincore(uint64_t address, uint64_t length, UserAddress vector);
long sys_msync(uint64_t address, uint64_t length, int flags);
long sys_mlock(uint64_t address, uint64_t length);
long sys_mlock2(uint64_t address, uint64_t length, int flags);
long sys_munlock(uint64_t address, uint64_t length);
long sys_mlockall(int flags);
long sys_munlockall();
long sys_mseal(uint64_t address, uint64_t length, uint64_t flags);
long sys_pkey_alloc(uint64_t flags, uint64_t rights);
long sys_pkey_free(int key);
long sys_pkey_mprotect(uint64_t address, uint64_t length, uint64_t prot, int key);
// process_memory.cpp
long sys_process_vm_readv(int pid, UserAddress local, uint64_t local_count, UserAddress remote,
                          uint64_t remote_count, uint64_t flags);
long sys_process_vm_writev(int pid, UserAddress local, uint64_t local_count, UserAddress remote,
                           uint64_t remote_count, uint64_t flags);
// ptrace.cpp
long sys_ptrace(uint64_t request, int pid, uint64_t address, uint64_t data);
// pidfd.cpp
long sys_pidfd_open(int pid, unsigned flags);
long sys_pidfd_send_signal(int fd, int number, UserAddress info, unsigned flags);
long sys_pidfd_getfd(int fd, int target, unsigned flags);
long sys_process_madvise(int fd, UserAddress vector, uint64_t count, int advice, unsigned flags);
// process.cpp
long sys_exit(int code);
long sys_exit_group(int code);
long sys_getpid();
long sys_gettid();
long sys_getppid();
long sys_getpgrp();
long sys_getpgid(int pid);
long sys_getsid(int pid);
long sys_setpgid(int pid, int group);
long sys_setsid();
long sys_wait4(int pid, UserAddress status, int options, UserAddress usage);
long sys_waitid(int type, int id, UserAddress info, int options, UserAddress usage);
long sys_getrusage(int who, UserAddress out);
long sys_set_tid_address(UserAddress address);
long sys_set_robust_list(UserAddress head, uint64_t size);
long sys_get_robust_list(int pid, UserAddress head, UserAddress size);
long sys_arch_prctl(int option, uint64_t address);
long arch_prctl(Task& task, int option, uint64_t address);  // of the running task, or of one that has stopped
long sys_prctl(int option, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
// credentials.cpp
long sys_getuid();
long sys_getgid();
long sys_geteuid();
long sys_getegid();
long sys_setuid(uint32_t id);
long sys_setgid(uint32_t id);
long sys_setreuid(uint32_t real, uint32_t effective);
long sys_setregid(uint32_t real, uint32_t effective);
long sys_setresuid(uint32_t real, uint32_t effective, uint32_t saved);
long sys_setresgid(uint32_t real, uint32_t effective, uint32_t saved);
long sys_getresuid(UserAddress real, UserAddress effective, UserAddress saved);
long sys_getresgid(UserAddress real, UserAddress effective, UserAddress saved);
long sys_setgroups(uint64_t count, UserAddress list);
long sys_getgroups(int count, UserAddress list);
// tasks.cpp
long sys_fork();
long sys_vfork();
long sys_clone(uint64_t flags, uint64_t stack, UserAddress parent_tid, UserAddress child_tid, uint64_t tls);
long sys_clone3(UserAddress arguments, uint64_t size);
long sys_sched_yield();
long sys_sched_getaffinity(int pid, unsigned size, UserAddress mask);
long sys_sched_setaffinity(int pid, unsigned size, UserAddress mask);
long sys_unshare(uint64_t flags);
long sys_setns(int fd, int type);
long sys_getcpu(UserAddress cpu, UserAddress node);
long sys_futex(UserAddress word, int operation, uint32_t value, UserAddress timeout, UserAddress word2,
               uint32_t value3);
long sys_getrlimit(unsigned resource, UserAddress out);
long sys_setrlimit(unsigned resource, UserAddress in);
long sys_prlimit64(int pid, unsigned resource, UserAddress in, UserAddress out);
long sys_times(UserAddress out);
// scheduling.cpp
long sys_sched_setscheduler(int pid, int policy, UserAddress parameter);
long sys_sched_setparam(int pid, UserAddress parameter);
long sys_sched_getscheduler(int pid);
long sys_sched_getparam(int pid, UserAddress out);
long sys_sched_get_priority_max(int policy);
long sys_sched_get_priority_min(int policy);
long sys_sched_rr_get_interval(int pid, UserAddress out);
long sys_setpriority(int which, int who, int nice);
long sys_getpriority(int which, int who);
// exec.cpp
long sys_execve(UserAddress path, UserAddress argv, UserAddress envp);
long sys_execveat(int directory, UserAddress path, UserAddress argv, UserAddress envp, int flags);
// signals.cpp
long sys_rt_sigaction(int number, UserAddress in, UserAddress out, uint64_t set_size);
long sys_rt_sigprocmask(int how, UserAddress in, UserAddress out, uint64_t set_size);
long sys_rt_sigpending(UserAddress out, uint64_t set_size);
long sys_rt_sigreturn();
long sys_rt_sigsuspend(UserAddress mask, uint64_t set_size);
long sys_rt_sigtimedwait(UserAddress set, UserAddress info, UserAddress timeout, uint64_t set_size);
long sys_pause();
long sys_sigaltstack(UserAddress in, UserAddress out);
long sys_kill(int pid, int number);
long sys_tkill(int tid, int number);
long sys_tgkill(int tgid, int tid, int number);
long sys_rt_sigqueueinfo(int pid, int number, UserAddress info);
long sys_rt_tgsigqueueinfo(int tgid, int tid, int number, UserAddress info);
// poll.cpp
long sys_poll(UserAddress fds, unsigned count, int timeout_ms);
long sys_ppoll(UserAddress fds, unsigned count, UserAddress timeout, UserAddress mask, uint64_t mask_size);
long sys_select(int count, UserAddress in, UserAddress out, UserAddress priority, UserAddress timeout);
long sys_pselect6(int count, UserAddress in, UserAddress out, UserAddress priority, UserAddress timeout,
                  UserAddress mask_and_size);
long sys_pipe(UserAddress out);
long sys_pipe2(UserAddress out, int flags);
long sys_eventfd(unsigned value);
long sys_eventfd2(unsigned value, int flags);
// epoll.cpp
long sys_epoll_create(int size);
long sys_epoll_create1(int flags);
long sys_epoll_ctl(int epfd, int operation, int fd, UserAddress event);
long sys_epoll_wait(int epfd, UserAddress events, int most, int timeout_ms);
long sys_epoll_pwait(int epfd, UserAddress events, int most, int timeout_ms, UserAddress mask,
                     uint64_t mask_size);
long sys_epoll_pwait2(int epfd, UserAddress events, int most, UserAddress timeout, UserAddress mask,
                      uint64_t mask_size);
// time.cpp
long sys_clock_gettime(int clock, UserAddress out);
long sys_clock_getres(int clock, UserAddress out);
long sys_gettimeofday(UserAddress out, UserAddress zone);
long sys_time(UserAddress out);
long sys_nanosleep(UserAddress request, UserAddress remaining);
long sys_clock_nanosleep(int clock, int flags, UserAddress request, UserAddress remaining);
long sys_restart_syscall();
long sys_setitimer(int which, UserAddress in, UserAddress out);
long sys_getitimer(int which, UserAddress out);
long sys_alarm(unsigned seconds);
// A struct timespec of the program's as a time of now_ns(): from now on, or absolute by CLOCK_REALTIME or
// CLOCK_MONOTONIC. EFAULT, EINVAL.
Result<uint64_t> user_deadline(UserAddress time, bool absolute, int clock);
// timers.cpp
long sys_timer_create(int clock, UserAddress event, UserAddress id);
long sys_timer_settime(int id, int flags, UserAddress in, UserAddress out);
long sys_timer_gettime(int id, UserAddress out);
long sys_timer_getoverrun(int id);
long sys_timer_delete(int id);
long sys_timerfd_create(int clock, int flags);
long sys_timerfd_settime(int fd, int flags, UserAddress in, UserAddress out);
long sys_timerfd_gettime(int fd, UserAddress out);
// system.cpp
long sys_uname(UserAddress out);
long sys_sysinfo(UserAddress out);
long sys_getrandom(UserAddress buffer, uint64_t size, unsigned flags);

}  // namespace mk
