// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the scenario programs share: a report in TAP that ends with a verdict, and two processes that take
// turns.
//
// Each scenario is a self-test as for Linux: it observes values and events, and knows nothing of how the
// kernel decides. The first expectation that does not hold gives the verdict; a wrong behaviour of the kernel
// is a verdict and never a crash or a hang. The last lines are for programs (mmuscope matrix):
//   # verdict: ok | LEAK | ... | skip REASON
//   # copies: N | not counted here
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copies.h"

// What can go wrong.
enum Verdict {
  kOk,
  kLeak,     // somebody reads what he must not
  kLostDma,  // what a device writes and what the process reads and writes are two pages
  kStale,    // a device reads another page than the process writes
  kLostWp,   // a write to a protected page was not told
  kLostSd,   // a page was written and is not marked as written
  kFalseSd,  // a page is marked as written that nobody has written
  kTorn,     // a child sees the later of two writes without the earlier
  kHang,     // nothing happens any more
  kLostW,    // a process does not read what it has written itself
};

static const char* const kVerdictNames[] = {"ok",     "LEAK",    "LOSTDMA", "STALE", "LOSTWP",
                                            "LOSTSD", "FALSESD", "TORN",    "HANG",  "LOSTW"};

enum { kPatience = 20 };  // seconds, of which no scenario needs one

static int tap_tests, tap_planned;
static enum Verdict tap_verdict;
static volatile pid_t tap_child;  // ends with us, and we with it

__attribute__((format(printf, 1, 2))) static inline void tap_line(const char* format, ...) {
  char line[300];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  if (write(1, line, (size_t)length) != length) _exit(111);
}

static inline void tell_verdict(const char* verdict) {
  long copies = copies_counted();
  tap_line("# verdict: %s", verdict);
  if (copies < 0) {
    tap_line("# copies: not counted here");
  } else {
    tap_line("# copies: %ld", copies);
  }
}

static inline void end_child(void) {
  if (tap_child > 0) kill(tap_child, SIGKILL);
}

static inline void patience_is_over(int number) {
  (void)number;
  end_child();
  tap_line("not ok %d - it comes to an end", ++tap_tests);
  tell_verdict(kVerdictNames[kHang]);
  _exit(1);
}

// What a scenario needs, but does not test.
#define MUST(condition)                                                                           \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      tap_line("Bail out! %s:%d: %s (%s)", __FILE_NAME__, __LINE__, #condition, strerror(errno)); \
      end_child();                                                                                \
      _exit(2);                                                                                   \
    }                                                                                             \
  } while (0)

// First of all: so many expectations will be told. Copies are counted from here to the verdict, but for those
// that any fork causes.
static inline void scenario(int expectations) {
  tap_line("TAP version 13");
  signal(SIGALRM, patience_is_over);
  alarm(kPatience);
  tap_planned = expectations;
  MUST(counting_begins());
}

// This kernel, or this machine's configuration of it, has not what the scenario needs.
__attribute__((noreturn)) static inline void skip(const char* reason) {
  end_child();
  tap_line("1..0 # SKIP %s", reason);
  tap_line("# verdict: skip %s", reason);
  _exit(0);
}

static inline void expect(bool holds, enum Verdict otherwise, const char* what) {
  if (tap_tests == 0) tap_line("1..%d", tap_planned);
  tap_line("%s %d - %s", holds ? "ok" : "not ok", ++tap_tests, what);
  if (!holds && tap_verdict == kOk) tap_verdict = otherwise;
}

static inline int verdict(void) {
  tell_verdict(kVerdictNames[tap_verdict]);
  return tap_verdict == kOk ? 0 : 1;
}

static inline int at(const volatile char* address) { return *address; }
static inline void put(volatile char* address, int value) { *address = (char)value; }

static inline void* memory_of(size_t pages, int flags) {
  void* memory = mmap(NULL, pages * kPage, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  MUST(memory != MAP_FAILED);
  return memory;
}
static inline char* private_pages(size_t pages) { return memory_of(pages, MAP_PRIVATE); }
// For what processes tell each other: copied by nobody.
static inline void* shared_page(void) { return memory_of(1, MAP_SHARED | MAP_POPULATE); }

// ---- Two processes, one after the other
// -----------------------------------------------------------------------------

struct Turns {
  int to_child[2], to_parent[2];
};

static inline struct Turns make_turns(void) {
  struct Turns turns;
  MUST(pipe(turns.to_child) == 0 && pipe(turns.to_parent) == 0);
  return turns;
}

static inline void pass(const int ends[2]) { MUST(write(ends[1], "", 1) == 1); }

static inline void await(const int ends[2]) {
  char byte;
  MUST(read(ends[0], &byte, 1) == 1);
}

// One that gave up has said why.
static inline void child_has_ended(int number) {
  (void)number;
  siginfo_t child = {0};
  if (waitid(P_PID, (id_t)tap_child, &child, WEXITED | WNOHANG | WNOWAIT) != 0 || child.si_pid == 0) return;
  if (child.si_code == CLD_EXITED && child.si_status == 0) return;
  if (child.si_code == CLD_TRAPPED || child.si_code == CLD_STOPPED) return;
  tap_line("Bail out! a child has not ended well");
  _exit(2);
}

// Forks, and comes back in both when all copies that any fork causes, of stacks and data, are behind and not
// counted: what is left to be made are the copies of the scenario's own pages. Those that fork itself has
// made do count.
__attribute__((noinline, unused)) static pid_t fork_warmly(void) {
  struct Turns turns = make_turns();
  struct Copies before = read_copies();
  pid_t pid = fork();
  MUST(pid >= 0);
  warm_up();
  if (pid == 0) {
    pass(turns.to_parent);
    await(turns.to_child);
    return 0;
  }
  tap_child = pid;
  signal(SIGCHLD, child_has_ended);
  await(turns.to_parent);
  do_not_count_faults_since(before);
  pass(turns.to_child);
  return pid;
}

static inline void child_ended_well(pid_t pid) {
  int status;
  MUST(waitpid(pid, &status, 0) == pid);
  signal(SIGCHLD, SIG_DFL);
  tap_child = 0;
  MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// ---- A pipe that holds references to pages
// ------------------------------------------------------------------------

struct Window {
  int ends[2];
};

static inline struct Window make_window(void) {
  struct Window window;
  MUST(pipe(window.ends) == 0);
  if (vmsplice(window.ends[1], NULL, 0, 0) < 0 && errno == ENOSYS) skip("no vmsplice");
  return window;
}

// The page's bytes are in the pipe from now on, without having been copied.
static inline void splice_page(struct Window window, const char* page) {
  struct iovec vector = {(void*)page, kPage};
  MUST(vmsplice(window.ends[1], &vector, 1, 0) == kPage);
}

// The page's first byte, as the pipe has it.
static inline int spliced_byte(struct Window window) {
  char byte;
  MUST(read(window.ends[0], &byte, 1) == 1);
  return byte;
}
