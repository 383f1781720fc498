// SPDX-License-Identifier: GPL-2.0-or-later
//
// S13: x is pinned for reading (as memory that is sent while a machine migrates); the soft-dirty marks are
// cleared; nobody writes. x must not be marked: a migration that sends what is marked would never end.
#include "pins.h"
#include "soft_dirty.h"

int main(void) {
  scenario(2);
  need_soft_dirty();
  int pins = open_pins();
  char* x = private_pages(1);
  put(x, 1);
  pin_for_reading(pins, x);
  clear_soft_dirty();
  expect(!is_soft_dirty(x), kFalseSd, "the page that nobody has written is not marked");
  put(x, 2);
  expect(is_soft_dirty(x), kLostSd, "when the process writes it, it is");
  unpin(pins);
  return verdict();
}
