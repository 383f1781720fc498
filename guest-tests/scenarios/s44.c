// SPDX-License-Identifier: GPL-2.0-or-later
//
// S44: a debugger writes where the process itself may not: by /proc/self/mem and ptrace, to pages that are
// read-only. It is a write like any other: what is shared is copied first and the file behind a private
// mapping stays as it is (CVE-2016-5195, CVE-2022-2590), a page that a monitor has write-protected is not
// written behind its back, and one whose soft-dirty mark was cleared gets it again.
#include <setjmp.h>
#include <sys/ptrace.h>

#include "soft_dirty.h"
#include "uffd.h"

static int memory_file = -1;

// True: the page's first byte was written.
static bool poke(const char* address, int value) {
  char byte = (char)value;
  return pwrite(memory_file, &byte, 1, (off_t)(uintptr_t)address) == 1;
}

static sigjmp_buf refused;
static void on_fault(int number) { siglongjmp(refused, number); }

static bool may_not_write(char* address) {
  volatile bool wrote = false;
  signal(SIGSEGV, on_fault);
  if (sigsetjmp(refused, 1) == 0) {
    put(address, 9);
    wrote = true;
  }
  signal(SIGSEGV, SIG_DFL);
  return !wrote;
}

static void shared_memory(void) {
  struct Turns turns = make_turns();
  int* child_reads = shared_page();
  char* x = private_pages(1);
  put(x, 1);
  MUST(mprotect(x, kPage, PROT_READ) == 0);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    await(turns.to_child);
    *child_reads = at(x);
    _exit(0);
  }
  MUST(poke(x, 2));
  pass(turns.to_child);
  child_ended_well(pid);
  expect(at(x) == 2, kLostW, "memory: what was poked is read");
  expect(*child_reads == 1, kLeak, "memory: the child does not see what is poked into its parent");
  expect(may_not_write(x), kLeak, "memory: the process itself still may not write it");
  MUST(poke(x, 3));
  expect(at(x) == 3 && may_not_write(x), kLeak, "memory: nor after a poke that copies nothing");
}

static void private_file(void) {
  int file = memfd_create("s44", 0);
  char byte = 1;
  MUST(file >= 0 && ftruncate(file, kPage) == 0 && pwrite(file, &byte, 1, 0) == 1);
  char* x = mmap(NULL, kPage, PROT_READ, MAP_PRIVATE, file, 0);
  MUST(x != MAP_FAILED && at(x) == 1);
  MUST(poke(x, 2));
  expect(at(x) == 2, kLostW, "file: what was poked is read");
  MUST(pread(file, &byte, 1, 0) == 1);
  expect(byte == 1, kLeak, "file: it stays as it is");
}

static void traced_child(void) {
  char* x = private_pages(1);
  put(x, 1);
  MUST(mprotect(x, kPage, PROT_READ) == 0);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(at(x));
  }
  int status;
  signal(SIGCHLD, SIG_DFL);
  MUST(waitpid(pid, &status, 0) == pid);
  if (!WIFSTOPPED(status)) skip("no ptrace");
  long word = ptrace(PTRACE_PEEKDATA, pid, x, NULL);
  MUST(ptrace(PTRACE_POKEDATA, pid, x, word + 1) == 0);
  MUST(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
  MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  tap_child = 0;
  expect(WEXITSTATUS(status) == 2, kLostW, "ptrace: the child reads what was poked");
  expect(at(x) == 1, kLeak, "ptrace: the parent does not");
}

static void watched_page(void) {
  int userfaultfd = try_userfaultfd(UFFD_FEATURE_PAGEFAULT_FLAG_WP, NULL);
  char* x = private_pages(1);
  put(x, 1);
  if (userfaultfd < 0 || !try_watch_writes(userfaultfd, x, 1)) {
    expect(true, kOk, "monitor: # SKIP no userfaultfd");
    return;
  }
  protect(userfaultfd, x, 1);
  bool poked = poke(x, 2);
  expect(!poked && at(x) == 1, kLostWp, "monitor: a poke to a page that it has protected fails");
}

static void marked_page(void) {
  if (!has_soft_dirty()) {
    expect(true, kOk, "soft-dirty: # SKIP no marks");
    return;
  }
  char* x = private_pages(1);
  put(x, 1);
  MUST(mprotect(x, kPage, PROT_READ) == 0);
  clear_soft_dirty();
  MUST(poke(x, 2));
  expect(is_soft_dirty(x) && at(x) == 2, kLostSd, "soft-dirty: a page that is poked is marked");
}

int main(void) {
  scenario(10);
  memory_file = open("/proc/self/mem", O_RDWR);
  if (memory_file < 0) skip("/proc/self/mem cannot be written");
  shared_memory();
  private_file();
  traced_child();
  watched_page();
  marked_page();
  return verdict();
}
