// SPDX-License-Identifier: GPL-2.0-or-later
//
// S16: fork; the child exits; the parent writes 64 pages. Nobody else needs them: no copy is called for.
#include "tap.h"

enum { kPages = 64 };

int main(void) {
  tap_plan(2);
  counting_starts();
  char* memory = private_pages(kPages);
  for (int i = 0; i < kPages; i++) put(memory + i * kPage, i);
  pid_t pid = fork();
  MUST(pid >= 0);
  if (pid == 0) {
    bool same = true;
    for (int i = 0; i < kPages; i++) same = same && at(memory + i * kPage) == i;
    _exit(same ? 0 : 1);
  }
  int status;
  MUST(waitpid(pid, &status, 0) == pid);
  ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has read what the parent had");
  warm_up();
  count_on();
  for (int i = 0; i < kPages; i++) put(memory + i * kPage + 1, i + 1);
  count_off();
  bool right = true;
  for (int i = 0; i < kPages; i++)
    right = right && at(memory + i * kPage) == i && at(memory + i * kPage + 1) == i + 1;
  ok(right, "the parent reads what it has written, old and new");
  tell_copies();
  return tap_end();
}
