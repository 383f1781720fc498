// SPDX-License-Identifier: GPL-2.0-or-later
//
// Child processes for the programs that need some: started, expected to end in a certain way, and made to
// wait for each other through pipes, so that nothing depends on who runs first.
//
// In the emulator the program is process 1 and inherits orphans; here it is not. A test that minds runs in a
// child of its own: in_child().
#pragma once

#include <fcntl.h>
#include <sys/wait.h>

#include "check.h"

static inline pid_t checked_fork(void) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  return pid;
}

// The status that wait() reports.
static inline int end_of(pid_t pid) {
  int status;
  pid_t ended;
  do ended = waitpid(pid, &status, 0);
  while (ended < 0 && errno == EINTR);
  CHECK_EQUAL(ended, pid);
  return status;
}

// Wait statuses as the kernel makes them: WEXITSTATUS and WTERMSIG taken backward.
static inline int exited(int status) { return status << 8; }
static inline int killed_by(int signal) { return signal; }

#define CHECK_EXITS(pid, status) CHECK_EQUAL(end_of(pid), exited(status))
#define CHECK_KILLED(pid, signal) CHECK_EQUAL(end_of(pid) & ~0x80, killed_by(signal))  // 0x80: a core file

static inline void in_child(void (*test)(void)) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    test();
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
}

// A process passes a gate when another one has opened it. Gates are made before the fork.
struct Gate {
  int read_end, write_end;
};

static inline struct Gate make_gate(void) {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  return (struct Gate){ends[0], ends[1]};
}

static inline void open_gate(struct Gate gate) { CHECK_EQUAL(write(gate.write_end, "", 1), 1); }

static inline void pass_gate(struct Gate gate) {
  char byte;
  ssize_t got;
  do got = read(gate.read_end, &byte, 1);
  while (got < 0 && errno == EINTR);
  CHECK_EQUAL(got, 1);
}

static inline void remove_gate(struct Gate gate) {
  CHECK(close(gate.read_end) == 0);
  CHECK(close(gate.write_end) == 0);
}

// An address where nothing is, which the compiler does not see through.
static inline void* nowhere(void) {
  static void* volatile address = (void*)8;
  return address;
}

static inline void* map_shared(size_t bytes) {
  void* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}
