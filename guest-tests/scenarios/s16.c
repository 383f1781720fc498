// SPDX-License-Identifier: GPL-2.0-or-later
//
// S16: fork; the child exits; the parent writes 64 pages. Nobody else needs them: no copy is called for.
#include "tap.h"

enum { kPages = 64 };

int main(void) {
  scenario(2);
  bool* child_read_all = shared_page();
  char* memory = private_pages(kPages);
  for (int i = 0; i < kPages; i++) put(memory + i * kPage, i);
  pid_t pid = fork_warmly();
  if (pid == 0) {
    *child_read_all = true;
    for (int i = 0; i < kPages; i++) *child_read_all &= at(memory + i * kPage) == i;
    _exit(0);
  }
  child_ended_well(pid);
  for (int i = 0; i < kPages; i++) put(memory + i * kPage + 1, i + 1);
  bool right = true;
  for (int i = 0; i < kPages; i++)
    right &= at(memory + i * kPage) == i && at(memory + i * kPage + 1) == i + 1;
  expect(*child_read_all, kLostW, "the child has what the parent had");
  expect(right, kLostW, "the parent reads what it has written, before and after");
  return verdict();
}
