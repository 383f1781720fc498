// SPDX-License-Identifier: GPL-2.0-or-later
//
// S06: a read with O_DIRECT into x is on its way; fork; the parent writes another part of the page; the data
// come, x=3. The parent must read 3, and what it wrote beside it.
#include "uring.h"

int main(void) {
  scenario(3);
  int* child_reads = shared_page();
  struct Turns turns = make_turns();
  struct Device device = open_direct_device();
  char* x = private_pages(1);
  put(x, 1);
  device_begins_to_read(&device, x);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    await(turns.to_child);
    *child_reads = at(x);
    _exit(0);
  }
  put(x + 64, 2);
  MUST(data_come(&device, 3) == 1);
  expect(at(x) == 3, kLostDma, "the parent reads the data that came");
  expect(at(x + 64) == 2, kLostW, "the parent reads what it has written beside them");
  pass(turns.to_child);
  child_ended_well(pid);
  expect(*child_reads == 1, kLeak, "the child sees nothing of the data");
  return verdict();
}
