// SPDX-License-Identifier: GPL-2.0-or-later
//
// Asks for memory in every way, and takes no for an answer: each call gives what was asked for, or ENOMEM
// (EAGAIN from fork) and changes nothing. Whatever happens, what was there keeps its contents. Run by
// tools/test-out-of-memory, which lets one allocation after the other fail; on Linux, and here without that,
// nothing is refused.
#include <sys/wait.h>

#include "check.h"

enum { kPages = 48 };

static char* memory;  // kPages, each with its number
static int refused;

static bool is_refusal(void) { return errno == ENOMEM || errno == EAGAIN; }

// Counts a refusal; anything else that is not success ends the test.
#define GETS(condition)            \
  ({                               \
    bool got = (condition);        \
    if (!got) CHECK(is_refusal()); \
    refused += !got;               \
    got;                           \
  })

static void check_memory(void) {
  for (int i = 0; i < kPages; i++) CHECK_EQUAL(memory[i * kPage], i + 1);
}

static void split_and_join(void) {
  GETS(mprotect(memory + 8 * kPage, 4 * kPage, PROT_READ) == 0);
  check_memory();
  GETS(mprotect(memory, kPages * kPage, PROT_READ | PROT_WRITE) == 0);
  check_memory();
  char* more = mmap(NULL, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!GETS(more != MAP_FAILED)) return;
  for (int i = 0; i < 16; i++) more[i * kPage] = (char)(i + 100);
  GETS(munmap(more + 4 * kPage, 2 * kPage) == 0);
  char* moved = mremap(more, 4 * kPage, 64 * kPage, MREMAP_MAYMOVE);
  if (GETS(moved != MAP_FAILED)) {
    for (int i = 0; i < 4; i++) CHECK_EQUAL(moved[i * kPage], i + 100);
    CHECK(munmap(moved, 64 * kPage) == 0);
  } else {
    for (int i = 0; i < 4; i++) CHECK_EQUAL(more[i * kPage], i + 100);
  }
  munmap(more, 16 * kPage);
  check_memory();
}

static void shared_and_files(void) {
  char* shared = mmap(NULL, 8 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (GETS(shared != MAP_FAILED)) {
    shared[0] = 1;
    CHECK(munmap(shared, 8 * kPage) == 0);
  }
  int file = memfd_create("m", 0);
  if (!GETS(file >= 0)) return;
  static char text[3 * kPage];
  errno = ENOMEM;  // a short write has said nothing
  GETS(write(file, text, sizeof text) > 0);
  char* mapped = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (GETS(mapped != MAP_FAILED)) CHECK(munmap(mapped, kPage) == 0);
  CHECK(close(file) == 0);
}

static void through_a_pipe(void) {
  int ends[2];
  if (!GETS(pipe(ends) == 0)) return;
  char byte = 'x';
  if (GETS(write(ends[1], &byte, 1) == 1)) CHECK(read(ends[0], &byte, 1) == 1);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

// The child writes half of the pages and reads all; it may be killed for want of memory.
static void parent_and_child(void) {
  pid_t pid = fork();
  if (!GETS(pid >= 0)) return check_memory();
  if (pid == 0) {
    check_memory();
    for (int i = 0; i < kPages; i += 2) memory[i * kPage + 1] = 1;
    check_memory();
    split_and_join();
    through_a_pipe();
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  refused += killed;
  CHECK(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
  check_memory();
  for (int i = 0; i < kPages; i++) CHECK_EQUAL(memory[i * kPage + 1], 0);
  for (int i = 0; i < kPages; i++) memory[i * kPage] = (char)(i + 1);
}

int main(void) {
  memory = mmap(NULL, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!GETS(memory != MAP_FAILED)) return 0;
  for (int i = 0; i < kPages; i++) memory[i * kPage] = (char)(i + 1);
  split_and_join();
  shared_and_files();
  through_a_pipe();
  parent_and_child();
  void* heap = sbrk(64 * kPage);
  if (heap != (void*)-1) memset(heap, 1, 64 * kPage);
  parent_and_child();
  check_memory();
  if (refused == 0) say("nothing was refused");
  return 0;
}
