// SPDX-License-Identifier: GPL-2.0-or-later
//
// S01: x=1; fork; the parent writes x=2; the child reads. It must see 1.
#include "tap.h"

struct Seen {
  int child_before, child_after, parent_after;
};

int main(void) {
  tap_plan(3);
  counting_starts();
  struct Seen* seen =
      mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  MUST(seen != MAP_FAILED);
  char* x = private_pages(1);
  struct Turns turns = make_turns();
  put(x, 1);
  pid_t pid = fork();
  MUST(pid >= 0);
  if (pid == 0) {
    warm_up();
    seen->child_before = at(x);
    pass(turns.to_parent);
    await(turns.to_child);
    count_on();
    seen->child_after = at(x);
    count_off();
    _exit(0);
  }
  warm_up();
  await(turns.to_parent);
  count_on();
  put(x, 2);
  seen->parent_after = at(x);
  count_off();
  pass(turns.to_child);
  child_ended_well(pid);
  ok(seen->child_before == 1, "the child gets what the parent had");
  ok(seen->child_after == 1, "the child does not see what the parent writes after fork");
  ok(seen->parent_after == 2, "the parent sees what it has written");
  tell_copies();
  return tap_end();
}
