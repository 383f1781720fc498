// SPDX-License-Identifier: GPL-2.0-or-later
//
// S51: memory of a device, mapped into the process: there is no page behind its entries, only an address. It
// is write-protected by userfaultfd; the write is told to the monitor, which lets it go on; it then goes to
// the device.
//
// /dev/aperture is minikernel's: 1 MiB of such memory. Linux has many drivers that map such memory, but
// userfaultfd takes none of them.
#include "uffd.h"

static char* map_aperture(int aperture) {
  char* mapping = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, aperture, 0);
  MUST(mapping != MAP_FAILED);
  return mapping;
}

int main(void) {
  scenario(4);
  int aperture = open("/dev/aperture", O_RDWR);
  if (aperture < 0) skip("no /dev/aperture");
  char *x = map_aperture(aperture), *device = map_aperture(aperture);
  put(x, 1);
  int userfaultfd = open_userfaultfd(0);
  watch_writes(userfaultfd, x, 1);
  protect(userfaultfd, x, 1);
  struct Monitor monitor;
  start_monitor(&monitor, userfaultfd);
  int before = at(x);
  put(x, 2);
  expect(events_of(&monitor) == 1, kLostWp, "the write is told, once");
  expect(before == 1, kLostW, "a read goes to the device");
  expect(at(device) == 2, kLostW, "the write has gone to the device");
  put(device, 3);
  expect(at(x) == 3, kLostDma, "and the mapping is still the device's memory");
  return verdict();
}
