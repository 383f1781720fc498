// SPDX-License-Identifier: GPL-2.0-or-later
//
// S19: x was read, but never written: it is the page of zeros. It is pinned for reading, then the process
// writes x=2. The device that holds the pin must read 2.
#include "pins.h"

int main(void) {
  scenario(3);
  int pins = open_pins();
  char* x = private_pages(1);
  expect(at(x) == 0, kLeak, "memory that nobody has written is zero");
  pin_for_reading(pins, x);
  put(x, 2);
  expect(pinned_byte(pins) == 2, kStale, "the device reads what the process has written");
  expect(at(x) == 2, kLostW, "so does the process");
  unpin(pins);
  return verdict();
}
