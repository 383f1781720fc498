// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is said about who goes first (nice values, policies), and what unshare makes a task's own.
#include <sched.h>
#include <sys/resource.h>

#include "threads.h"

enum { kNobody = 0x3fffffff };

static long priority(int which, int who) { return raw_syscall(SYS_getpriority, which, who, 0, 0, 0, 0); }

static void nice_values(void) {
  CHECK_EQUAL(priority(PRIO_PROCESS, 0), 20);
  CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
  CHECK_EQUAL(priority(PRIO_PROCESS, 0), 15);
  CHECK_EQUAL(getpriority(PRIO_PROCESS, getpid()), 5);
  CHECK(setpriority(PRIO_PROCESS, 0, 100) == 0);  // as far as it goes
  CHECK_EQUAL(priority(PRIO_PROCESS, 0), 1);
  pid_t pid = checked_fork();
  if (pid == 0) _exit((int)priority(PRIO_PROCESS, 0));
  CHECK_EXITS(pid, 1);  // inherited
  errno = 0;
  CHECK_EQUAL(nice(-9), 10);
  CHECK_FAILS(setpriority(7, 0, 0), EINVAL);
  CHECK_FAILS(setpriority(PRIO_PROCESS, kNobody, 0), ESRCH);
  CHECK_EQUAL(priority(PRIO_PROCESS, kNobody), -ESRCH);

  struct Gate end = make_gate();
  pid = checked_fork();
  if (pid == 0) {
    pass_gate(end);
    _exit(0);
  }
  setpgid(pid, pid);
  CHECK(setpriority(PRIO_PGRP, pid, 3) == 0);  // a group
  CHECK_EQUAL(getpriority(PRIO_PROCESS, pid), 3);
  CHECK_EQUAL(getpriority(PRIO_PGRP, pid), 3);
  CHECK_EQUAL(getpriority(PRIO_PROCESS, 0), 10);
  CHECK_FAILS(setpriority(PRIO_PGRP, kNobody, 0), ESRCH);
  open_gate(end);
  CHECK_EXITS(pid, 0);
  remove_gate(end);
  CHECK(setpriority(PRIO_PROCESS, 0, 0) == 0);
  say("nice values");
}

static void policies(void) {
  struct sched_param none = {0}, some = {.sched_priority = 5}, much = {.sched_priority = 100};
  // By number: musl's functions decline.
#define SET(pid, policy, parameter) syscall(SYS_sched_setscheduler, pid, policy, parameter)
  CHECK_EQUAL(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
  CHECK_EQUAL(SET(0, SCHED_BATCH, &none), 0);
  CHECK_EQUAL(syscall(SYS_sched_getscheduler, getpid()), SCHED_BATCH);
  CHECK_FAILS(SET(0, SCHED_OTHER, &some), EINVAL);
  CHECK_FAILS(SET(0, SCHED_FIFO, &none), EINVAL);
  CHECK_FAILS(SET(0, SCHED_RR, &much), EINVAL);
  CHECK_FAILS(SET(0, 77, &none), EINVAL);
  CHECK_FAILS(SET(0, -1, &none), EINVAL);
  CHECK_FAILS(SET(-1, SCHED_OTHER, &none), EINVAL);
  CHECK_FAILS(SET(0, SCHED_OTHER, NULL), EINVAL);
  CHECK_FAILS(SET(0, SCHED_OTHER, nowhere()), EFAULT);
  CHECK_FAILS(SET(kNobody, SCHED_OTHER, &none), ESRCH);
  CHECK_EQUAL(SET(0, SCHED_OTHER, &none), 0);
  CHECK_EQUAL(syscall(SYS_sched_setparam, 0, &none), 0);
  CHECK_FAILS(syscall(SYS_sched_setparam, 0, &some), EINVAL);
  CHECK_EQUAL(syscall(SYS_sched_getparam, 0, &some), 0);
  CHECK_EQUAL(some.sched_priority, 0);
  CHECK_EQUAL(sched_get_priority_max(SCHED_FIFO), 99);
  CHECK_EQUAL(sched_get_priority_min(SCHED_RR), 1);
  CHECK_EQUAL(sched_get_priority_max(SCHED_OTHER), 0);
  CHECK_FAILS(sched_get_priority_max(77), EINVAL);
  CHECK_FAILS(sched_get_priority_min(-1), EINVAL);
  say("policies");
}

static struct Gate shared, checked;

static void* thread_unshares(void* unused) {
  CHECK(unshare(CLONE_FILES | CLONE_FS) == 0);
  CHECK(chdir("/") == 0);
  CHECK(close(0) == 0);
  open_gate(shared);
  pass_gate(checked);
  CHECK_FAILS(fcntl(0, F_GETFD), EBADF);
  return unused;
}

static void unsharing(void) {
  CHECK(unshare(0) == 0);
  CHECK_FAILS(unshare(1), EINVAL);
  CHECK(chdir("/tmp") == 0);
  shared = make_gate();
  checked = make_gate();
  pthread_t thread = start(thread_unshares, NULL);
  pass_gate(shared);
  char directory[64];
  CHECK(getcwd(directory, sizeof directory) != NULL);
  CHECK(strcmp(directory, "/tmp") == 0);
  CHECK(fcntl(0, F_GETFD) >= 0);
  CHECK_FAILS(unshare(CLONE_VM), EINVAL);  // not with two threads
  open_gate(checked);
  result_of(thread);
  CHECK_FAILS(syscall(SYS_setns, -1, 0), EBADF);
  CHECK_FAILS(syscall(SYS_setns, 1, 0), EINVAL);
  say("unsharing");
}

int main(void) {
  nice_values();
  policies();
  unsharing();
  return 0;
}
