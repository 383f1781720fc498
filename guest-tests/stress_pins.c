// SPDX-License-Identifier: GPL-2.0-or-later
//
// stress_pins [FORKS [SEED]]: everything at once that the scenarios do one by one. Threads write pages; a
// monitor write-protects them at random and takes the protection away; a device pins them, writes and reads
// them; the main thread forks children that look at all of it and overwrite it. Each thread knows what it
// must find:
//
//   * a writer finds in its pages what it wrote last, whatever happened since          else LOSTW
//   * a page that is protected does not change until the monitor lets it               else LOSTWP
//   * what the device wrote is read, what was written the device reads, while pinned   else LOSTDMA
//   * a child sees what the parent was at one moment: no later write without the earlier    else TORN
//   * what a child has seen does not change under its eyes                             else LEAK
//
// The verdict is the first that was found (scenarios/tap.h). In mmuscope the same arguments give the same
// run.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "random.h"
#include "scenarios/uffd.h"
#include "scenarios/uring.h"

enum { kWriters = 3, kEach = 8, kPages = kWriters * kEach };

struct Page {
  volatile uint32_t first;            // by its writer,
  char gap1[60];                      //
  volatile char by_device, gap2[63];  //
  volatile char by_process;           // by the device's thread
  char gap3[kPage - 133];             //
  volatile uint32_t second;           // after `first`, at the page's other end
};
_Static_assert(sizeof(struct Page) == kPage, "a page");

static struct Page* pages;
static int userfaultfd;
static atomic_bool stop;
static atomic_int found;  // enum Verdict
static unsigned long seed = 1;

// Each thread has its own stream of random numbers.
static struct Random stream(uint64_t number) { return branch(&(struct Random){seed}, number); }

static void find(enum Verdict what) {
  int nothing = kOk;
  atomic_compare_exchange_strong(&found, &nothing, (int)what);
  atomic_store(&stop, true);
}

static bool over(void) { return atomic_load_explicit(&stop, memory_order_relaxed); }

static void rest(struct Random* random, unsigned most) {
  for (unsigned i = below(random, most + 1); i > 0; i--) sched_yield();
}

// Number `self`'s pages are self, self + kWriters, ... It writes them one after the other, with numbers that
// grow.
static size_t page_of(size_t self, uint32_t number) { return self + kWriters * (number % kEach); }

static void* writer(void* argument) {
  size_t self = (size_t)argument;
  struct Random random = stream(self);
  for (uint32_t number = kEach; !over(); number++) {
    struct Page* page = pages + page_of(self, number);
    uint32_t before = number < 2 * kEach ? 0 : number - kEach;
    if (page->first != before || page->second != before) find(kLostW);
    page->first = number;
    page->second = number;
    if (below(&random, 16) == 0) rest(&random, 2);
  }
  return NULL;
}

static void* monitor(void* unused) {
  struct Random random = stream(kWriters);
  while (!over()) {
    struct Page* page = pages + below(&random, kPages);
    protect(userfaultfd, (char*)page, 1);
    uint32_t first = page->first, second = page->second;
    rest(&random, 4);
    if (page->first != first || page->second != second) find(kLostWp);
    struct uffd_msg message;
    while (read(userfaultfd, &message, sizeof message) == sizeof message) {
    }
    unprotect(userfaultfd, (char*)page, 1);
    rest(&random, 16);
  }
  return unused;
}

static void* device_main(void* unused) {
  struct Random random = stream(kWriters + 1);
  struct Device device = open_device();
  char number = 0;
  while (!over()) {
    struct Page* page = pages + below(&random, kPages);
    pin_for_device(&device, (char*)page, 1);
    for (unsigned i = below(&random, 4) + 1; i > 0; i--) {
      number++;
      device_writes(&device, (char*)&page->by_device, number);
      if (page->by_device != number) find(kLostDma);
      page->by_process = number;
      if (device_reads(&device, (char*)&page->by_process) != number) find(kLostDma);
      rest(&random, 8);
    }
    unpin_for_device(&device);
    rest(&random, 2);
  }
  return unused;
}

// Whether the numbers of a writer's pages are from one moment: when it wrote the highest of them, it had
// written each of the others less than a round ago.
static bool from_one_moment(const uint32_t* first, size_t self) {
  uint32_t highest = 0;
  for (size_t i = self; i < kPages; i += kWriters) highest = first[i] > highest ? first[i] : highest;
  for (size_t i = self; i < kPages; i += kWriters) {
    if (highest >= 2 * kEach && first[i] + kEach <= highest) return false;
  }
  return true;
}

// A verdict, as an exit status.
static enum Verdict child_main(struct Random* random) {
  uint32_t first[kPages], second[kPages];
  for (size_t i = 0; i < kPages; i++) {
    first[i] = pages[i].first;
    second[i] = pages[i].second;
    if (second[i] > first[i]) return kTorn;
  }
  for (size_t self = 0; self < kWriters; self++) {
    if (!from_one_moment(first, self)) return kTorn;
  }
  rest(random, 16);
  for (size_t i = 0; i < kPages; i++) {
    if (pages[i].first != first[i] || pages[i].second != second[i]) return kLeak;
    pages[i].first = pages[i].second = ~0u;
    pages[i].by_device = pages[i].by_process = 0;
  }
  return kOk;
}

static void fork_one(struct Random* random) {
  pid_t pid = fork();
  MUST(pid >= 0);
  tap_child = pid;
  if (pid == 0) _exit(child_main(random));
  int status;
  MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  tap_child = 0;
  if (WEXITSTATUS(status) != kOk) find((enum Verdict)WEXITSTATUS(status));
  rest(random, 32);
}

int main(int argc, char** argv) {
  scenario(1);
  unsigned long forks = argc > 1 ? strtoul(argv[1], NULL, 0) : 50;
  if (argc > 2) seed = strtoul(argv[2], NULL, 0);
  userfaultfd = open_userfaultfd(0);
  pages = (struct Page*)private_pages(kPages);
  for (int i = 0; i < kPages; i++) pages[i].first = 0;
  watch_writes(userfaultfd, (char*)pages, kPages);

  pthread_t threads[kWriters + 2];
  for (size_t i = 0; i < kWriters; i++) MUST(pthread_create(&threads[i], NULL, writer, (void*)i) == 0);
  MUST(pthread_create(&threads[kWriters], NULL, monitor, NULL) == 0);
  MUST(pthread_create(&threads[kWriters + 1], NULL, device_main, NULL) == 0);
  struct Random random = stream(kWriters + 2);
  while (forks-- > 0 && !over()) fork_one(&random);
  atomic_store(&stop, true);
  for (int i = 0; i < kWriters + 2; i++) MUST(pthread_join(threads[i], NULL) == 0);
  expect(atomic_load(&found) == kOk, (enum Verdict)atomic_load(&found), "every thread finds what it must");
  return verdict();
}
