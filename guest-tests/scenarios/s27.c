// SPDX-License-Identifier: GPL-2.0-or-later
//
// S27: a device once knew a page of the parent and knows none any more. 1100 children live at once and share
// x. One more fork must share it, too: nobody has pinned x. (1024 references are how some kernels mark a
// pin.) What matters is the number of copies: none.
#include "uring.h"

enum { kChildren = 1100 };

static pid_t child_that_waits(int ready) {
  pid_t pid = fork();
  MUST(pid >= 0);
  if (pid > 0) return pid;
  signal(SIGALRM, SIG_DFL);
  alarm(2 * kPatience);  // if nobody ends it
  MUST(write(ready, "", 1) == 1);
  while (true) pause();
}

// How many pages are copied by a fork itself. The child passes on what it finds at x.
static long copies_by_fork(const char* x, int* found) {
  struct Copies before = read_copies();
  pid_t pid = fork();
  MUST(pid >= 0);
  if (pid == 0) {
    if (x != NULL) *found = at(x);
    _exit(0);
  }
  child_ended_well(pid);
  return read_copies().by_fork - before.by_fork;
}

int main(void) {
  scenario(2);
  int* last_reads = shared_page();
  struct Turns turns = make_turns();
  struct Device device = open_device();
  char *x = private_pages(1), *pinned_once = private_pages(1);
  put(x, 1);
  put(pinned_once, 1);
  pin_for_device(&device, pinned_once, 1);
  unpin_for_device(&device);

  struct Copies before = read_copies();
  static pid_t children[kChildren];
  for (int i = 0; i < kChildren; i++) {
    children[i] = child_that_waits(turns.to_parent[1]);
    await(turns.to_parent);
  }
  long with_x = copies_by_fork(x, last_reads);
  int parent_reads = at(x);
  MUST(munmap(x, kPage) == 0);
  long without_x = copies_by_fork(NULL, NULL);  // the program has other pages that all children share
  do_not_count_since(before);
  count(with_x - without_x);

  expect(*last_reads == 1, kLostW, "the last child has what the parent had");
  expect(parent_reads == 1, kLostW, "so has the parent");
  for (int i = 0; i < kChildren; i++) {
    MUST(kill(children[i], SIGKILL) == 0);
    MUST(waitpid(children[i], NULL, 0) == children[i]);
  }
  return verdict();
}
