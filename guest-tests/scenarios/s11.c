// SPDX-License-Identifier: GPL-2.0-or-later
//
// S11: a read with O_DIRECT into x is on its way; somebody clears the soft-dirty marks (echo 4 > clear_refs);
// the process writes the page's last byte; the data come, x=3. The process must read 3, and what it wrote.
#include "soft_dirty.h"
#include "uring.h"

int main(void) {
  scenario(2);
  need_soft_dirty();
  struct Device device = open_direct_device();
  char* x = private_pages(1);
  put(x, 1);
  device_begins_to_read(&device, x);
  clear_soft_dirty();
  put(x + kPage - 1, 2);
  MUST(data_come(&device, 3) == 1);
  expect(at(x) == 3, kLostDma, "the process reads the data that came");
  expect(at(x + kPage - 1) == 2, kLostW, "the process reads what it has written");
  return verdict();
}
