// SPDX-License-Identifier: GPL-2.0-or-later
//
// S12: x is registered with a device, which may write it; the soft-dirty marks are cleared; the device
// writes, the process does not. x must be marked: a checkpoint that leaves out what is not marked would lose
// the data.
#include "soft_dirty.h"
#include "uring.h"

int main(void) {
  scenario(2);
  need_soft_dirty();
  struct Device device = open_device();
  char* x = private_pages(1);
  put(x, 1);
  pin_for_device(&device, x, 1);
  clear_soft_dirty();
  device_writes(&device, x, 3);
  expect(is_soft_dirty(x), kLostSd, "the page that the device has written is marked");
  expect(at(x) == 3, kLostDma, "the process reads what the device has written");
  return verdict();
}
