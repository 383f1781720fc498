// SPDX-License-Identifier: GPL-2.0-or-later
//
// For the programs that trace others with ptrace(2).
#pragma once

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "children.h"

static inline long trace(int request, pid_t pid, void* address, uintptr_t data) {
  return ptrace(request, pid, address, (void*)data);
}
#define CHECK_TRACE(request, pid, address, data) CHECK_EQUAL(trace(request, pid, address, data), 0)

// The next thing that this task, of whatever kind, has to tell.
static inline int next_status(pid_t pid) {
  int status;
  pid_t told;
  do told = waitpid(pid, &status, __WALL);
  while (told < 0 && errno == EINTR);
  CHECK_EQUAL(told, pid);
  return status;
}

static inline int stopped_with(int code) { return code << 8 | 0x7f; }
#define CHECK_STOPS(pid, code) CHECK_EQUAL(next_status(pid), stopped_with(code))
#define CHECK_ENDS(pid, status) CHECK_EQUAL(next_status(pid), status)

static inline void go_on(pid_t pid, int signal) { CHECK_TRACE(PTRACE_CONT, pid, NULL, (uintptr_t)signal); }

static inline struct user_regs_struct registers_of(pid_t pid) {
  struct user_regs_struct registers;
  CHECK_TRACE(PTRACE_GETREGS, pid, NULL, (uintptr_t)&registers);
  return registers;
}

static inline void set_registers(pid_t pid, const struct user_regs_struct* registers) {
  CHECK_TRACE(PTRACE_SETREGS, pid, NULL, (uintptr_t)registers);
}

static inline siginfo_t info_of(pid_t pid) {
  siginfo_t info;
  CHECK_TRACE(PTRACE_GETSIGINFO, pid, NULL, (uintptr_t)&info);
  return info;
}

static inline unsigned long message_of(pid_t pid) {
  unsigned long message;
  CHECK_TRACE(PTRACE_GETEVENTMSG, pid, NULL, (uintptr_t)&message);
  return message;
}

static inline long peek(pid_t pid, const void* address) {
  errno = 0;
  long word = ptrace(PTRACE_PEEKDATA, pid, address, NULL);
  CHECK(errno == 0);
  return word;
}

// A child that lets itself be traced and stops before it does anything else.
static inline pid_t start_traced(void (*body)(void)) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK_TRACE(PTRACE_TRACEME, 0, NULL, 0);
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  CHECK_STOPS(pid, SIGSTOP);
  return pid;
}

static inline void kill_traced(pid_t pid) {
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_ENDS(pid, SIGKILL);
}

// To the next stop at a system call, which must have this number.
static inline struct user_regs_struct next_call(pid_t pid, long number) {
  CHECK_TRACE(PTRACE_SYSCALL, pid, NULL, 0);
  CHECK_STOPS(pid, SIGTRAP | 0x80);
  struct user_regs_struct all = registers_of(pid);
  CHECK_EQUAL(all.orig_rax, number);
  CHECK_EQUAL(info_of(pid).si_code, SIGTRAP | 0x80);
  return all;
}
