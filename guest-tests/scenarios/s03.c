// SPDX-License-Identifier: GPL-2.0-or-later
//
// S03: the parent vmsplices x into a pipe; fork; the parent unmaps x; the child writes x=2; the parent reads
// the pipe. It must hold 1: the page was spliced by the parent, and what the child writes is the child's.
#include "tap.h"

int main(void) {
  scenario(2);
  int* child_reads = shared_page();
  struct Turns turns = make_turns();
  struct Window window = make_window();
  char* x = private_pages(1);
  put(x, 1);
  splice_page(window, x);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    await(turns.to_child);
    put(x, 2);
    *child_reads = at(x);
    _exit(0);
  }
  MUST(munmap(x, kPage) == 0);
  pass(turns.to_child);
  child_ended_well(pid);
  expect(spliced_byte(window) == 1, kLeak, "the parent's pipe does not show what the child writes");
  expect(*child_reads == 2, kLostW, "the child reads what it has written");
  return verdict();
}
