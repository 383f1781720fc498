// SPDX-License-Identifier: GPL-2.0-or-later
//
// For the programs that test memory calls: a range of pages between two neighbours that nothing joins with,
// and questions about it that change nothing.
#pragma once

#include <sys/wait.h>

#include "check.h"

enum { kReadWrite = PROT_READ | PROT_WRITE, kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS };

// Newer than some C libraries.
enum {
  kDontUnmap = 4,
  kDontNeedLocked = 24,
  kPopulateRead = 22,
  kPopulateWrite = 23,
  kCold = 20,
  kPageOut = 21
};

// `pages` pages with a page before and after them that allow nothing and are no neighbours to join.
static inline char* map_apart(int pages, int protection, int flags) {
  size_t bytes = (size_t)pages * kPage;
  char* whole = mmap(NULL, bytes + 2 * kPage, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(whole != MAP_FAILED);
  char* memory = mmap(whole + kPage, bytes, protection, flags | MAP_FIXED, -1, 0);
  CHECK(memory == whole + kPage);
  return memory;
}

static inline void unmap_apart(char* memory, int pages) {
  CHECK(munmap(memory - kPage, ((size_t)pages + 2) * kPage) == 0);
}

// Whether the pages are one area to the kernel. They must not be growable in place: the last one of
// map_apart, or a neighbour behind them.
static inline bool one_area(char* memory, int pages) {
  size_t bytes = (size_t)pages * kPage;
  CHECK(mremap(memory, bytes, bytes + kPage, 0) == MAP_FAILED);
  CHECK(errno == EFAULT || errno == ENOMEM);
  return errno == ENOMEM;
}

static inline void fill_pages(char* memory, int pages) {
  for (int i = 0; i < pages; i++) memset(memory + (size_t)i * kPage, i + 1, kPage);
}

// One character for each page: # when it is in memory.
static inline const char* residency(const char* memory, int pages) {
  static char map[65];
  unsigned char vector[64];
  CHECK(pages <= 64);
  CHECK(mincore((void*)(uintptr_t)memory, (size_t)pages * kPage, vector) == 0);
  for (int i = 0; i < pages; i++) map[i] = vector[i] & 1 ? '#' : '.';
  map[pages] = 0;
  return map;
}

// Runs a test in a child, for what it does not come back from or what only a child sees.
static inline void in_a_child(void (*test)(char*), char* argument) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    test(argument);
    _exit(0);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK_EQUAL(status, 0);
}
