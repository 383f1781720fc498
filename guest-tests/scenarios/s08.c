// SPDX-License-Identifier: GPL-2.0-or-later
//
// S08: fork; the child exits; the parent pins x for reading and writes x=2. The device that holds the pin
// must read 2: that x was shared once is over.
#include "pins.h"

int main(void) {
  scenario(2);
  int pins = open_pins();
  char* x = private_pages(1);
  put(x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) _exit(0);
  child_ended_well(pid);
  pin_for_reading(pins, x);
  put(x, 2);
  expect(pinned_byte(pins) == 2, kStale, "the device reads what the process has written");
  expect(at(x) == 2, kLostW, "so does the process");
  unpin(pins);
  return verdict();
}
