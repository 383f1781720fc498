// SPDX-License-Identifier: GPL-2.0-or-later
//
// S23: a page that was never touched is write-protected by userfaultfd. Its first write must be told to the
// monitor, once, like that of any other page.
#include "uffd.h"

// UFFD_FEATURE_WP_UNPOPULATED: since Linux 6.4 one has to ask for it.
static const uint64_t kWpUnpopulated = 1 << 13;

int main(void) {
  scenario(3);
  uint64_t offered = 0;
  int probe = try_userfaultfd(0, &offered);
  if (probe < 0) skip("no userfaultfd");
  close(probe);
  int userfaultfd = open_userfaultfd(offered & kWpUnpopulated);
  char* memory = private_pages(2);
  char *touched = memory, *x = memory + kPage;
  put(touched, 1);
  watch_writes(userfaultfd, memory, 2);
  protect(userfaultfd, memory, 2);
  struct Monitor monitor;
  start_monitor(&monitor, userfaultfd);
  put(touched, 2);
  int before = atomic_load(&monitor.events);
  put(x, 2);
  int events = events_of(&monitor) - before;
  expect(before == 1, kLostWp, "the write to a page that was there is told");
  expect(events == 1, kLostWp, "the first write to a page that was not there is told, once");
  expect(at(x) == 2 && at(touched) == 2, kLostW, "what was written is read");
  return verdict();
}
