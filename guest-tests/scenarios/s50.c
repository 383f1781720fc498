// SPDX-License-Identifier: GPL-2.0-or-later
//
// S50: x is registered with a device, which may write it. The process gives the page away (MADV_DONTNEED) and
// touches x again; another page is unmapped. Device and process may have different pages now, that was the
// process's wish. But what the device writes must show in no memory that was taken since: its pages are not
// free.
#include "uring.h"

enum { kOthers = 1024, kMark = 0x55 };

int main(void) {
  scenario(4);
  struct Device device = open_device();
  char* x = private_pages(2);
  put(x, 1);
  put(x + kPage, 1);
  pin_for_device(&device, x, 2);
  MUST(madvise(x, kPage, MADV_DONTNEED) == 0);
  MUST(munmap(x + kPage, kPage) == 0);
  expect(at(x) == 0, kLeak, "memory that was given away comes back as zeros");
  put(x, 2);
  char* others = private_pages(kOthers);
  for (int i = 0; i < kOthers; i++) memset(others + i * kPage, kMark, kPage);
  device_writes(&device, x, 3);
  device_writes(&device, x + kPage, 3);
  bool untouched = true;
  for (int i = 0; i < kOthers; i++) untouched &= at(others + i * kPage) == kMark;
  expect(untouched, kLeak, "nothing of what the device writes shows in other memory");
  expect(device_reads(&device, x) == 3 && device_reads(&device, x + kPage) == 3, kLostDma,
         "the device reads what it has written");
  unpin_for_device(&device);
  expect(at(x) == 2 || at(x) == 3, kLostW, "the process reads what it or the device has written");
  return verdict();
}
