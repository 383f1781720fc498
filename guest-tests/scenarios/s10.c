// SPDX-License-Identifier: GPL-2.0-or-later
//
// S10: x is registered with a device, which may write it. A monitor write-protects x by userfaultfd, and
// takes the protection away again; no other process is about. The process writes x=2, the device writes x=3:
// the process must read 3.
//
// This is the test-case that was asked for on 18 December 2021, "does anybody even have a test-case?"
// (docs/the-test-case.md tells the story).
#include "uffd.h"
#include "uring.h"

int main(void) {
  scenario(2);
  int userfaultfd = open_userfaultfd(0);
  struct Device device = open_device();
  char* x = private_pages(1);
  put(x, 1);
  pin_for_device(&device, x, 1);

  watch_writes(userfaultfd, x, 1);
  protect(userfaultfd, x, 1);
  unprotect(userfaultfd, x, 1);

  put(x, 2);
  expect(device_reads(&device, x) == 2, kLostDma, "the device reads what the process has written");
  device_writes(&device, x, 3);
  expect(at(x) == 3, kLostDma, "the process reads what the device has written");
  return verdict();
}
