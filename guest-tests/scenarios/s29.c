// SPDX-License-Identifier: GPL-2.0-or-later
//
// S29: fork; the child pins x for reading; the parent exits; the child writes x=2. The device that holds the
// pin must read 2: the pin is the child's, and follows its page.
#include "pins.h"

struct Seen {
  int device, child;
};

// The scenario's parent is a child of the program, which sees it end.
int main(void) {
  scenario(2);
  struct Seen* seen = shared_page();
  struct Turns turns = make_turns();
  int pins = open_pins();
  pid_t parent = fork_warmly();
  if (parent == 0) {
    char* x = private_pages(1);
    put(x, 1);
    if (fork_warmly() != 0) {
      await(turns.to_parent);
      _exit(0);
    }
    pin_for_reading(pins, x);
    pass(turns.to_parent);
    await(turns.to_child);
    put(x, 2);
    *seen = (struct Seen){pinned_byte(pins), at(x)};
    unpin(pins);
    pass(turns.to_parent);
    _exit(0);
  }
  child_ended_well(parent);
  pass(turns.to_child);
  await(turns.to_parent);
  expect(seen->device == 2, kStale, "the device reads what the child has written");
  expect(seen->child == 2, kLostW, "so does the child");
  return verdict();
}
