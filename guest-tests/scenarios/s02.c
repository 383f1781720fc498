// SPDX-License-Identifier: GPL-2.0-or-later
//
// S02: fork; the child vmsplices x into a pipe and unmaps it; the parent writes x=2; the child reads the
// pipe. It must hold 1: what a process got before the fork is not a window into its parent (CVE-2020-29374).
#include "tap.h"

int main(void) {
  scenario(2);
  int* piped = shared_page();
  struct Turns turns = make_turns();
  struct Window window = make_window();
  char* x = private_pages(1);
  put(x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    splice_page(window, x);
    MUST(munmap(x, kPage) == 0);
    pass(turns.to_parent);
    await(turns.to_child);
    *piped = spliced_byte(window);
    _exit(0);
  }
  await(turns.to_parent);
  put(x, 2);
  pass(turns.to_child);
  child_ended_well(pid);
  expect(*piped == 1, kLeak, "the child's pipe does not show what the parent writes after the fork");
  expect(at(x) == 2, kLostW, "the parent reads what it has written");
  return verdict();
}
