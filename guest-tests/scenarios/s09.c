// SPDX-License-Identifier: GPL-2.0-or-later
//
// S09: x was never shared, but is read-only for a while (mprotect), and pinned for reading meanwhile.
// Writable again, the process writes x=2: the device that holds the pin must read 2.
#include "pins.h"

int main(void) {
  scenario(2);
  int pins = open_pins();
  char* x = private_pages(1);
  put(x, 1);
  MUST(mprotect(x, kPage, PROT_READ) == 0);
  pin_for_reading(pins, x);
  MUST(mprotect(x, kPage, PROT_READ | PROT_WRITE) == 0);
  put(x, 2);
  expect(pinned_byte(pins) == 2, kStale, "the device reads what the process has written");
  expect(at(x) == 2, kLostW, "so does the process");
  unpin(pins);
  return verdict();
}
