// SPDX-License-Identifier: GPL-2.0-or-later
//
// S28: a thread writes x, then y, the same number, again and again, while fork runs. Whatever the child gets
// of y, it must have got of x: a child that sees y ahead of x sees a state that the parent never was in.
// (Jann Horn, 2025.)
//
// x is known to a device, so some kernels copy it in fork; y is shared with the child. What lies between the
// two makes it long from the one moment to the other, and the thread needs a processor of its own meanwhile.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "uring.h"

enum { kPages = 1024, kRounds = 200 };

static atomic_bool stop;
static volatile unsigned *x, *y;

static void* write_both(void* unused) {
  for (unsigned number = 1; !atomic_load_explicit(&stop, memory_order_relaxed); number++) {
    *x = number;
    *y = number;
  }
  return unused;
}

int main(void) {
  scenario(1);
  cpu_set_t processors;
  MUST(sched_getaffinity(0, sizeof processors, &processors) == 0);
  if (CPU_COUNT(&processors) < 2) skip("one processor");
  struct Device device = open_device();
  char* memory = private_pages(kPages);
  for (int i = 0; i < kPages; i++) put(memory + i * kPage, 0);
  x = (unsigned*)memory;
  y = (unsigned*)(memory + (kPages - 1) * kPage);
  pin_for_device(&device, memory, 1);
  pthread_t writer;
  MUST(pthread_create(&writer, NULL, write_both, NULL) == 0);
  bool torn = false;
  for (int round = 0; round < kRounds && !torn; round++) {
    unsigned number = *y;
    while (*y == number) sched_yield();  // the thread writes
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) _exit(*y > *x ? 1 : 0);
    int status;
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    torn = WEXITSTATUS(status) == 1;
  }
  atomic_store(&stop, true);
  MUST(pthread_join(writer, NULL) == 0);
  expect(!torn, kTorn, "no child sees the second write without the first");
  return verdict();
}
