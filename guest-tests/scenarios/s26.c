// SPDX-License-Identifier: GPL-2.0-or-later
//
// S26: the parent's x is write-protected by userfaultfd; fork, of which the monitor wants to know nothing;
// the child writes, the parent writes. The parent's write must be told, once, the child's goes its way; each
// has its own value.
#include "uffd.h"

struct Seen {
  int before, after;
};

int main(void) {
  scenario(5);
  struct Seen* child = shared_page();
  struct Turns turns = make_turns();
  int userfaultfd = open_userfaultfd(0);
  char* x = private_pages(1);
  put(x, 1);
  watch_writes(userfaultfd, x, 1);
  protect(userfaultfd, x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    child->before = at(x);
    put(x, 2);
    pass(turns.to_parent);
    await(turns.to_child);
    child->after = at(x);
    _exit(0);
  }
  await(turns.to_parent);
  expect(!event_waits(userfaultfd), kLostWp, "the child's write is nobody's event");
  expect(at(x) == 1, kLeak, "the parent does not see it");
  struct Monitor monitor;
  start_monitor(&monitor, userfaultfd);
  put(x, 3);
  expect(events_of(&monitor) == 1, kLostWp, "the parent's write is told, once");
  pass(turns.to_child);
  child_ended_well(pid);
  expect(child->before == 1 && child->after == 2, kLeak, "the child has what it had and what it wrote");
  expect(at(x) == 3, kLostW, "the parent reads what it has written");
  return verdict();
}
