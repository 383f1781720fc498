// SPDX-License-Identifier: GPL-2.0-or-later
//
// S25: a monitor write-protects x and then writes x to a file, without a copy: it gives the pipe a reference
// to the page it has protected itself (as umapsort did). Reading is no write: there must be no event, which
// the monitor would wait for in vain, because it is the one who would have to answer.
#include "uffd.h"

struct Seen {
  bool event, event_for_write;
  int piped;
};

int main(void) {
  scenario(3);
  struct Seen* seen = shared_page();
  struct Window window = make_window();
  close(open_userfaultfd(0));
  pid_t pid = fork_warmly();
  if (pid == 0) {
    int userfaultfd = open_userfaultfd(0);
    char* x = private_pages(1);
    put(x, 1);
    watch_writes(userfaultfd, x, 1);
    protect(userfaultfd, x, 1);
    splice_page(window, x);
    seen->event = event_waits(userfaultfd);
    seen->piped = spliced_byte(window);
    struct Monitor monitor;
    start_monitor(&monitor, userfaultfd);
    put(x, 2);
    seen->event_for_write = events_of(&monitor) == 1;
    _exit(0);
  }
  child_ended_well(pid);
  expect(!seen->event, kHang, "a read-only reference to a protected page is no event");
  expect(seen->piped == 1, kLostW, "the pipe has what the page has");
  expect(seen->event_for_write, kLostWp, "the page is still protected after it: a write is an event");
  return verdict();
}
