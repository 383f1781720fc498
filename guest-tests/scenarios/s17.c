// SPDX-License-Identifier: GPL-2.0-or-later
//
// S17: fork; the child writes 64 pages, then the parent writes the same 64. Each must keep its own; 64 copies
// would do, because the second to write a page is the last who has it.
#include "tap.h"

enum { kPages = 64 };

// First byte: from before the fork. Second: from after it.
static bool all_hold(const char* memory, int added) {
  for (int i = 0; i < kPages; i++) {
    if (at(memory + i * kPage) != i || at(memory + i * kPage + 1) != i + added) return false;
  }
  return true;
}

static void write_all(char* memory, int added) {
  for (int i = 0; i < kPages; i++) put(memory + i * kPage + 1, i + added);
}

struct Seen {
  bool own, own_after_parent;
};

int main(void) {
  scenario(4);
  struct Seen* child = shared_page();
  struct Turns turns = make_turns();
  char* memory = private_pages(kPages);
  for (int i = 0; i < kPages; i++) put(memory + i * kPage, i);
  write_all(memory, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    write_all(memory, 2);
    child->own = all_hold(memory, 2);
    pass(turns.to_parent);
    await(turns.to_child);
    child->own_after_parent = all_hold(memory, 2);
    _exit(0);
  }
  await(turns.to_parent);
  bool unchanged = all_hold(memory, 1);
  write_all(memory, 3);
  bool own = all_hold(memory, 3);
  pass(turns.to_child);
  child_ended_well(pid);
  expect(child->own, kLostW, "the child reads what it has written");
  expect(unchanged, kLeak, "the parent does not see the child's writes");
  expect(own, kLostW, "the parent reads what it has written");
  expect(child->own_after_parent, kLeak, "the child does not see the parent's writes");
  return verdict();
}
