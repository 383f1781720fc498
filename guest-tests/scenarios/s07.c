// SPDX-License-Identifier: GPL-2.0-or-later
//
// S07: fork; the parent pins x for reading and writes x=2. The device that holds the pin must read 2, the
// child 1.
#include "pins.h"

int main(void) {
  scenario(3);
  int* child_reads = shared_page();
  struct Turns turns = make_turns();
  int pins = open_pins();
  char* x = private_pages(1);
  put(x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    await(turns.to_child);
    *child_reads = at(x);
    _exit(0);
  }
  pin_for_reading(pins, x);
  put(x, 2);
  expect(pinned_byte(pins) == 2, kStale, "the device reads what the parent has written");
  expect(at(x) == 2, kLostW, "so does the parent");
  pass(turns.to_child);
  child_ended_well(pid);
  expect(*child_reads == 1, kLeak, "the child does not");
  unpin(pins);
  return verdict();
}
