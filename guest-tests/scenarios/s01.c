// SPDX-License-Identifier: GPL-2.0-or-later
//
// S01: x=1; fork; the parent writes x=2; the child reads. It must see 1.
#include "tap.h"

struct Seen {
  int child_before, child_after;
};

int main(void) {
  scenario(3);
  struct Seen* seen = shared_page();
  struct Turns turns = make_turns();
  char* x = private_pages(1);
  put(x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    seen->child_before = at(x);
    pass(turns.to_parent);
    await(turns.to_child);
    seen->child_after = at(x);
    _exit(0);
  }
  await(turns.to_parent);
  put(x, 2);
  pass(turns.to_child);
  child_ended_well(pid);
  expect(seen->child_before == 1, kLostW, "the child has what the parent had");
  expect(seen->child_after == 1, kLeak, "the child does not see what the parent writes after the fork");
  expect(at(x) == 2, kLostW, "the parent reads what it has written");
  return verdict();
}
