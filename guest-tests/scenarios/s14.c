// SPDX-License-Identifier: GPL-2.0-or-later
//
// S14: x is registered with a device, which may write it; mprotect makes x read-only, and writable again; the
// process writes x=2, the device x=3. The process must read 3.
#include "uring.h"

int main(void) {
  scenario(2);
  struct Device device = open_device();
  char* x = private_pages(1);
  put(x, 1);
  pin_for_device(&device, x, 1);
  MUST(mprotect(x, kPage, PROT_READ) == 0);
  MUST(mprotect(x, kPage, PROT_READ | PROT_WRITE) == 0);
  put(x, 2);
  expect(device_reads(&device, x) == 2, kLostDma, "the device reads what the process has written");
  device_writes(&device, x, 3);
  expect(at(x) == 3, kLostDma, "the process reads what the device has written");
  return verdict();
}
