// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc about an address space that is changed meanwhile: one thread forks and writes, so that pages are
// copied, and drops some; another reads. A page that is there the whole time is never told absent, and the
// figures of smaps are of one moment.
#include <fcntl.h>
#include <stdatomic.h>

#include "threads.h"

enum { kKept = 64, kPages = 600, kRounds = 8 };
static char* pages;  // the first kKept are always there
static atomic_bool done;

static void write_to(int first, int end) {
  for (int i = first; i < end; ++i) ++pages[i * kPage];
}

static void* change(void* unused) {
  (void)unused;
  for (int round = 0; round < kRounds; ++round) {
    pid_t pid = checked_fork();
    if (pid == 0)
      for (;;) pause();
    write_to(0, kPages);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_KILLED(pid, SIGKILL);
    CHECK(madvise(pages + kKept * kPage, (kPages - kKept) * kPage, MADV_DONTNEED) == 0);
    write_to(kKept, kPages);
  }
  done = true;
  return NULL;
}

static void read_pagemap(int fd) {
  uint64_t words[kKept];
  CHECK_EQUAL(pread(fd, words, sizeof words, (off_t)((uintptr_t)pages / kPage * 8)), (long)sizeof words);
  for (int i = 0; i < kKept; ++i) CHECK_EQUAL(words[i] >> 63, 1);
}

static void read_smaps(void) {
  static char line[4096];
  static const char* const kParts[] = {"Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"};
  long rss = 0, parts = 0, value;
  char key[100];
  FILE* file = fopen("/proc/self/smaps_rollup", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "%99[^:]: %ld", key, &value) != 2) continue;
    if (strcmp(key, "Rss") == 0) rss = value;
    for (int i = 0; i < 4; ++i)
      if (strcmp(key, kParts[i]) == 0) parts += value;
  }
  CHECK(fclose(file) == 0);
  CHECK(rss >= kKept * kPage / 1024);
  CHECK_EQUAL(parts, rss);
}

int main(void) {
  pages = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  write_to(0, kPages);
  int fd = open("/proc/self/pagemap", O_RDONLY);
  CHECK(fd >= 0);
  pthread_t thread = start(change, NULL);
  while (!done) {
    for (int i = 0; i < 8; ++i) read_pagemap(fd);
    read_smaps();
  }
  result_of(thread);
  say("pagemap and smaps: ok");
  return 0;
}
