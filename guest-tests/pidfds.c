// SPDX-License-Identifier: GPL-2.0-or-later
//
// Descriptors of processes: pidfd_open, CLONE_PIDFD, polling for the end, waiting, signals, copies of
// descriptors, advice about memory.
#include <poll.h>
#include <sched.h>
#include <sys/uio.h>

#include "children.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static int open_pidfd(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
static int send_signal(int fd, int signal, siginfo_t* info, unsigned flags) {
  return (int)syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}
static int wait_for(int fd, siginfo_t* info, int options) {
  memset(info, 0, sizeof *info);
  return waitid((idtype_t)P_PIDFD, (id_t)fd, info, options);
}
static short poll_now(int fd) {
  struct pollfd entry = {fd, POLLIN | POLLOUT, 0};
  CHECK(poll(&entry, 1, 0) >= 0);
  return entry.revents;
}

static struct Gate end_gate;

static pid_t start_child(int status) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(end_gate);
    _exit(status);
  }
  return pid;
}

static void opening(void) {
  pid_t pid = start_child(3);
  CHECK_FAILS(open_pidfd(0, 0), EINVAL);
  CHECK_FAILS(open_pidfd(-1, 0), EINVAL);
  CHECK_FAILS(open_pidfd(pid, 0x40), EINVAL);
  CHECK_FAILS(open_pidfd(0x3fffffff, 0), ESRCH);
  int fd = open_pidfd(pid, 0);
  CHECK(fd >= 0);
  CHECK_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
  char byte;
  CHECK_FAILS(read(fd, &byte, 1), EINVAL);
  CHECK_FAILS(write(fd, &byte, 1), EINVAL);

  char path[64], text[512] = "", link[64] = "";
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int info = open(path, O_RDONLY);
  CHECK(read(info, text, sizeof text - 1) > 0);
  CHECK(close(info) == 0);
  char* line = strstr(text, "\nPid:\t");
  CHECK(line != NULL && atoi(line + 6) == pid);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  CHECK(readlink(path, link, sizeof link - 1) > 0);
  say("%s", link);

  siginfo_t told;
  CHECK_EQUAL(poll_now(fd), 0);
  CHECK_EQUAL(wait_for(fd, &told, WEXITED | WNOHANG), 0);
  CHECK_EQUAL(told.si_pid, 0);
  int nonblocking = open_pidfd(pid, O_NONBLOCK);
  CHECK_EQUAL(fcntl(nonblocking, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  CHECK_FAILS(wait_for(nonblocking, &told, WEXITED), EAGAIN);
  CHECK_EQUAL(wait_for(nonblocking, &told, WEXITED | WNOHANG), 0);
  CHECK(close(nonblocking) == 0);
  CHECK_FAILS(wait_for(1, &told, WEXITED), EBADF);
  CHECK_FAILS(wait_for(-1, &told, WEXITED), EINVAL);
  CHECK_FAILS(wait_for(1000, &told, WEXITED), EBADF);

  open_gate(end_gate);
  struct pollfd entry = {fd, POLLIN, 0};
  CHECK_EQUAL(poll(&entry, 1, -1), 1);  // waits for the end
  CHECK_EQUAL(entry.revents, POLLIN);
  CHECK_EQUAL(wait_for(fd, &told, WEXITED | WNOWAIT), 0);
  CHECK_EQUAL(told.si_pid, pid);
  CHECK_EQUAL(send_signal(fd, SIGTERM, NULL, 0), 0);  // a zombie takes everything
  CHECK_EQUAL(wait_for(fd, &told, WEXITED), 0);
  CHECK(told.si_pid == pid && told.si_code == CLD_EXITED && told.si_status == 3);
  CHECK_FAILS(wait_for(fd, &told, WEXITED), ECHILD);
  CHECK_FAILS(send_signal(fd, 0, NULL, 0), ESRCH);
  CHECK(poll_now(fd) & POLLIN);
  CHECK(close(fd) == 0);
  say("opening, polling, waiting");
}

static volatile siginfo_t caught_info;
static void keep_info(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  caught_info = *info;
}

static void signals(void) {
  pid_t pid = start_child(0);
  int fd = open_pidfd(pid, 0), self = open_pidfd(getpid(), 0);
  CHECK_EQUAL(send_signal(fd, 0, NULL, 0), 0);
  CHECK_FAILS(send_signal(fd, 65, NULL, 0), EINVAL);
  CHECK_FAILS(send_signal(fd, 0, NULL, 0x100), EINVAL);
  CHECK_FAILS(send_signal(1, 0, NULL, 0), EBADF);
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
  CHECK_FAILS(send_signal(fd, SIGUSR1, &info, 0), EPERM);  // a lie
  CHECK_FAILS(send_signal(fd, SIGUSR2, &info, 0), EINVAL);
  CHECK_FAILS(send_signal(fd, SIGUSR1, nowhere(), 0), EFAULT);
  install_handler(SIGUSR1, keep_info, 0);
  CHECK_EQUAL(send_signal(self, SIGUSR1, NULL, 0), 0);
  CHECK(caught_info.si_code == SI_USER && caught_info.si_pid == getpid());
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 4711;
  CHECK_EQUAL(send_signal(self, SIGUSR1, &info, 0), 0);
  CHECK(caught_info.si_code == SI_QUEUE && caught_info.si_value.sival_int == 4711);
  CHECK_EQUAL(send_signal(fd, SIGKILL, NULL, 0), 0);
  siginfo_t told;
  CHECK_EQUAL(wait_for(fd, &told, WEXITED), 0);
  CHECK(told.si_code == CLD_KILLED && told.si_status == SIGKILL);
  CHECK(close(fd) == 0 && close(self) == 0);
  say("signals");
}

enum { kToThread = 1, kToProcess = 2, kToGroup = 4 };  // PIDFD_SIGNAL_*
enum { kSelfThread = -10000, kSelfProcess = -10001 };  // PIDFD_SELF_*

static int code_caught(int fd, siginfo_t* info, unsigned flags) {
  caught_info.si_signo = 0;
  CHECK_EQUAL(send_signal(fd, SIGUSR1, info, flags), 0);
  CHECK_EQUAL(caught_info.si_signo, SIGUSR1);
  return caught_info.si_code;
}

static void signals_to_itself(void) {
  siginfo_t lie = {.si_signo = SIGUSR1, .si_code = SI_USER};
  CHECK_EQUAL(code_caught(kSelfThread, NULL, 0), SI_TKILL);
  CHECK_EQUAL(code_caught(kSelfThread, &lie, 0), SI_USER);
  CHECK_EQUAL(code_caught(kSelfProcess, NULL, 0), SI_USER);
  CHECK_EQUAL(code_caught(kSelfProcess, NULL, kToThread), SI_TKILL);
  CHECK_EQUAL(code_caught(kSelfThread, NULL, kToProcess), SI_USER);
  CHECK_FAILS(send_signal(kSelfProcess, SIGUSR1, &lie, kToGroup), EPERM);
  CHECK_FAILS(send_signal(kSelfThread, 0, NULL, kToThread | kToProcess), EINVAL);
  CHECK_FAILS(send_signal(kSelfThread, 0, NULL, 8), EINVAL);
  CHECK_FAILS(send_signal(kSelfProcess - 1, 0, NULL, 0), EBADF);
  char* memory = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  struct iovec part = {memory, kPage};
  for (int self = kSelfThread; self >= kSelfProcess; self--) {
    *memory = 1;
    CHECK_EQUAL(syscall(SYS_process_madvise, self, &part, 1, MADV_DONTNEED, 0), kPage);
    CHECK_EQUAL(*memory, 0);
    siginfo_t told;
    CHECK_FAILS(syscall(SYS_pidfd_getfd, self, 1, 0), EBADF);  // no number for all calls
    CHECK_FAILS(wait_for(self, &told, WEXITED), EINVAL);
  }
  CHECK(munmap(memory, kPage) == 0);
}

// A group by the number of a process, which may have ended.
static void signals_to_a_group(void) {
  pid_t leader = start_child(0), other = start_child(0);
  int fd = open_pidfd(leader, 0);
  CHECK_EQUAL(send_signal(fd, 0, NULL, kToThread), 0);
  CHECK_FAILS(send_signal(fd, 0, NULL, kToGroup), ESRCH);  // there is none of that number
  CHECK(setpgid(leader, leader) == 0 && setpgid(other, leader) == 0);
  CHECK_EQUAL(send_signal(fd, 0, NULL, kToGroup), 0);
  CHECK_EQUAL(send_signal(fd, SIGKILL, NULL, kToThread), 0);
  CHECK_KILLED(leader, SIGKILL);
  CHECK_FAILS(send_signal(fd, 0, NULL, 0), ESRCH);
  CHECK_EQUAL(send_signal(fd, SIGTERM, NULL, kToGroup), 0);
  CHECK_KILLED(other, SIGTERM);
  CHECK_FAILS(send_signal(fd, 0, NULL, kToGroup), ESRCH);
  CHECK(close(fd) == 0);
}

// Linux has learnt it little by little: the flags with 6.9, the numbers with 6.15.
static void scopes(void) {
  if (on_minikernel() || send_signal(kSelfThread, 0, NULL, 0) == 0) {
    signals_to_itself();
    signals_to_a_group();
  } else {
    CHECK_EQUAL(errno, EBADF);
  }
  say("scopes of signals");
}

struct Clone3Arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
};
static long clone3(struct Clone3Arguments* args) { return syscall(435, args, sizeof *args); }

static void cloning(void) {
  int fd = -1;
  struct Clone3Arguments args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
  long pid = clone3(&args);
  CHECK(pid >= 0);
  if (pid == 0) _exit(fd == -1 && fcntl(3, F_GETFD) < 0 ? 5 : 6);  // the child has it not
  CHECK(fd >= 0);
  siginfo_t told;
  CHECK_EQUAL(wait_for(fd, &told, WEXITED), 0);
  CHECK(told.si_pid == pid);
  say("clone3: %d", told.si_status);
  pid_t wanted = 30000;
  struct Clone3Arguments numbers[] = {{.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted},
                                      {.exit_signal = SIGCHLD, .set_tid_size = 1}};
  for (int i = 0; i < 2; i++)
    CHECK_EQUAL(raw_syscall(435, (long)&numbers[i], sizeof numbers[i], 0, 0, 0, 0), -EINVAL);
  CHECK(close(fd) == 0);

  fd = -1;
  pid = raw_syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, (long)&fd, 0, 0, 0);
  CHECK(pid >= 0);
  if (pid == 0) _exit(7);
  CHECK(fd >= 0);
  CHECK_EQUAL(wait_for(fd, &told, WEXITED), 0);
  CHECK(told.si_pid == pid);
  say("clone: %d", told.si_status);
  CHECK(close(fd) == 0);
  CHECK_EQUAL(raw_syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, (long)&fd, 0, 0, 0),
              -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 8, 0, 0, 0), -EFAULT);
  CHECK_FAILS(waitpid(-1, NULL, 0), ECHILD);
  int next = dup(0);
  CHECK_EQUAL(next, fd);  // nothing stayed open
  CHECK(close(next) == 0);
}

static void copies(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  struct Gate ready = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK(dup2(ends[1], 99) == 99);
    open_gate(ready);
    pass_gate(end_gate);
    _exit(0);
  }
  pass_gate(ready);
  int fd = open_pidfd(pid, 0);
  int copy = (int)syscall(SYS_pidfd_getfd, fd, 99, 0);
  CHECK(copy >= 0);
  CHECK_EQUAL(fcntl(copy, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(write(copy, "copied", 7), 7);
  char text[8];
  CHECK_EQUAL(read(ends[0], text, sizeof text), 7);
  CHECK_FAILS(syscall(SYS_pidfd_getfd, fd, 98, 0), EBADF);
  CHECK_FAILS(syscall(SYS_pidfd_getfd, fd, 99, 1), EINVAL);
  CHECK_FAILS(syscall(SYS_pidfd_getfd, 1, 99, 0), EBADF);

  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  struct iovec parts[] = {{memory, kPage}, {memory + 2 * kPage, kPage}};
  CHECK_EQUAL(syscall(SYS_process_madvise, fd, parts, 0, MADV_COLD, 0), 0);
  CHECK_FAILS(syscall(SYS_process_madvise, fd, parts, 1, MADV_DONTNEED, 0), EINVAL);
  CHECK_FAILS(syscall(SYS_process_madvise, fd, parts, 1, MADV_COLD, 1), EINVAL);
  CHECK_FAILS(syscall(SYS_process_madvise, 1, parts, 1, MADV_COLD, 0), EBADF);
  CHECK(munmap(memory, 4 * kPage) == 0);
  open_gate(end_gate);
  CHECK_EXITS(pid, 0);
  CHECK_FAILS(syscall(SYS_pidfd_getfd, fd, 99, 0), ESRCH);
  CHECK(close(fd) == 0 && close(copy) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
  remove_gate(ready);
  say("copies of descriptors: %s", text);
}

int main(void) {
  end_gate = make_gate();
  opening();
  signals();
  scopes();
  cloning();
  copies();
  return 0;
}
