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

int main(void) {
  tap_plan(3);
  counting_starts();
  bool* right = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  MUST(right != MAP_FAILED);
  char* memory = private_pages(kPages);
  struct Turns turns = make_turns();
  for (int i = 0; i < kPages; i++) put(memory + i * kPage, i);
  write_all(memory, 1);
  pid_t pid = fork();
  MUST(pid >= 0);
  if (pid == 0) {
    warm_up();
    await(turns.to_child);
    count_on();
    write_all(memory, 2);
    count_off();
    right[0] = all_hold(memory, 2);
    pass(turns.to_parent);
    await(turns.to_child);
    right[1] = all_hold(memory, 2);
    _exit(0);
  }
  warm_up();
  pass(turns.to_child);
  await(turns.to_parent);
  bool unchanged = all_hold(memory, 1);
  count_on();
  write_all(memory, 3);
  count_off();
  bool written = all_hold(memory, 3);
  pass(turns.to_child);
  child_ended_well(pid);
  ok(right[0] && right[1], "the child keeps what it has written");
  ok(unchanged, "the parent does not see the child's writes");
  ok(written, "the parent keeps what it has written");
  tell_copies();
  return tap_end();
}
