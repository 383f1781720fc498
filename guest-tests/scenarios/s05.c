// SPDX-License-Identifier: GPL-2.0-or-later
//
// S05: x is registered with a device, which may write it; fork; the parent writes x=2; the device writes x=3.
// The parent must read 3, because device and parent have one page; the child must read 1.
#include "uring.h"

int main(void) {
  scenario(3);
  int* child_reads = shared_page();
  struct Turns turns = make_turns();
  struct Device device = open_device();
  char* x = private_pages(1);
  put(x, 1);
  pin_for_device(&device, x, 1);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    await(turns.to_child);
    *child_reads = at(x);
    _exit(0);
  }
  put(x, 2);
  expect(device_reads(&device, x) == 2, kLostDma, "the device reads what the parent has written");
  device_writes(&device, x, 3);
  expect(at(x) == 3, kLostDma, "the parent reads what the device has written");
  pass(turns.to_child);
  child_ended_well(pid);
  expect(*child_reads == 1, kLeak, "the child sees neither");
  return verdict();
}
