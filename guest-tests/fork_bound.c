// SPDX-License-Identifier: GPL-2.0-or-later
//
// fork_bound PAGES: one fork of a process with so many pages of its own. What the fork looks at, page by
// page, is counted from outside (tools/test-frame-touches); here, that parent and child each have their
// pages.
#include <sys/wait.h>

#include "check.h"

enum { kTable = 512 };  // pages that one page table maps

int main(int argc, char** argv) {
  CHECK(argc == 2);
  long pages = atol(argv[1]);
  CHECK(pages >= 0 && pages <= 64 * kTable);
  // In as few page tables as can be.
  size_t table = (size_t)kTable * kPage;
  char* memory = map_anonymous((size_t)pages * kPage + table, PROT_READ | PROT_WRITE);
  memory = (char*)(((uintptr_t)memory + table - 1) / table * table);
  for (long page = 0; page < pages; page++) write_byte(memory + page * kPage, (uint8_t)page);

  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    for (long page = 0; page < pages; page++) CHECK_EQUAL(read_byte(memory + page * kPage), (uint8_t)page);
    if (pages > 0) write_byte(memory, 77);
    _exit(5);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK_EQUAL(WEXITSTATUS(status), 5);
  if (pages > 0) CHECK_EQUAL(read_byte(memory), 0);
  say("forked with %ld pages", pages);
  return 0;
}
