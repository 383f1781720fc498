// SPDX-License-Identifier: GPL-2.0-or-later
//
// Many threads, many monitors: several readers of one userfaultfd, two userfaultfds in one address space, a
// monitor that protects and releases while threads write, one that polls, and signals in the middle of it.
#include <stdatomic.h>

#include "uffd.h"

enum { kPages = 64, kThreads = 4, kRounds = 20 };

static char* memory;
static atomic_int faults_seen;

struct Monitor {
  int fd;
  int stop;  // a pipe's reading end: readable when there is nothing more to do
  bool protects;
};

static void fill(int fd, uint64_t address) {
  static char pages[kPages][kPage] __attribute__((aligned(kPage)));
  unsigned index = (unsigned)((address - (uintptr_t)memory) / kPage);
  char* page = pages[index];
  *(volatile unsigned*)page = index;  // all who are asked for it write the same
  int copied = uffd_copy(fd, memory + index * kPage, page, kPage, 0);
  CHECK(copied == 0 || errno == EEXIST);
  if (copied != 0) CHECK(uffd_wake(fd, memory + index * kPage, kPage) == 0);
}

static void* monitor_runs(void* argument) {
  const struct Monitor* monitor = argument;
  while (true) {
    struct pollfd ready[2] = {{monitor->fd, POLLIN, 0}, {monitor->stop, POLLIN, 0}};
    CHECK(poll(ready, 2, -1) > 0);
    CHECK((ready[0].revents & POLLERR) == 0);
    struct uffd_msg messages[3];
    ssize_t bytes = ready[0].revents & POLLIN ? read(monitor->fd, messages, sizeof messages) : 0;
    if (bytes < 0) CHECK_EQUAL(errno, EAGAIN);
    for (ssize_t i = 0; i < bytes / (ssize_t)sizeof messages[0]; ++i) {
      CHECK_EQUAL(messages[i].event, UFFD_EVENT_PAGEFAULT);
      atomic_fetch_add(&faults_seen, 1);
      uint64_t address = messages[i].arg.pagefault.address;
      if (messages[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
        CHECK(uffd_protect(monitor->fd, (void*)address, kPage, 0) == 0);
      } else {
        fill(monitor->fd, address);
      }
    }
    if (bytes <= 0 && (ready[1].revents & POLLIN)) return NULL;
  }
}

static void* thread_checks(void* argument) {
  unsigned first = (unsigned)(uintptr_t)argument;
  for (unsigned i = 0; i < kPages; ++i) {
    unsigned index = (first + i * 7) % kPages;
    CHECK_EQUAL(*(volatile unsigned*)(memory + index * kPage), index);
  }
  return NULL;
}

static void test_missing(void) {
  memory = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  int first = uffd_new(O_NONBLOCK, 0), second = uffd_new(O_NONBLOCK, 0);
  CHECK(uffd_register(first, memory, kPages / 2 * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  CHECK(uffd_register(second, memory + kPages / 2 * kPage, kPages / 2 * kPage,
                      UFFDIO_REGISTER_MODE_MISSING) == 0);
  int stop[2];
  CHECK(pipe(stop) == 0);
  struct Monitor monitors[3] = {{first, stop[0], false}, {first, stop[0], false}, {second, stop[0], false}};
  pthread_t readers[3], threads[kThreads];
  for (int i = 0; i < 3; ++i) readers[i] = start_thread(monitor_runs, &monitors[i]);
  for (int i = 0; i < kThreads; ++i) threads[i] = start_thread(thread_checks, (void*)(uintptr_t)(i * 13));
  for (int i = 0; i < kThreads; ++i) join_thread(threads[i]);
  CHECK(write(stop[1], "x", 1) == 1);
  for (int i = 0; i < 3; ++i) join_thread(readers[i]);
  CHECK(atomic_load(&faults_seen) >= kPages);
  close(first);
  close(second);
  close(stop[0]);
  close(stop[1]);
  say("missing pages");
}

static _Atomic unsigned counters[kThreads];

// Each has a word of its own in every page; its writes must never be lost.
static void* thread_counts(void* argument) {
  unsigned me = (unsigned)(uintptr_t)argument;
  for (int round = 0; round < kRounds; ++round) {
    for (int page = 0; page < 8; ++page) {
      volatile unsigned* word = (unsigned*)(memory + page * kPage) + 16 + me;
      *word = *word + 1;
    }
    atomic_fetch_add(&counters[me], 1);
  }
  return NULL;
}

static bool all_done(void) {
  for (int i = 0; i < kThreads; ++i)
    if (atomic_load(&counters[i]) < kRounds) return false;
  return true;
}

// Threads write while pages are protected again and again, and children share them.
static void test_write_protection(void) {
  int fd = uffd_new(O_NONBLOCK, 0);
  CHECK(uffd_register(fd, memory, 8 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  memset(memory, 0, 8 * kPage);
  int stop[2];
  CHECK(pipe(stop) == 0);
  struct Monitor monitor = {fd, stop[0], true};
  pthread_t reader = start_thread(monitor_runs, &monitor);
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) threads[i] = start_thread(thread_counts, (void*)(uintptr_t)i);
  for (int round = 0; !all_done(); ++round) {
    CHECK(uffd_protect(fd, memory + round % 4 * kPage, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
    if (round % 8 == 3) {
      pid_t child = fork();
      if (child == 0) {
        memset(memory, 255, 8 * kPage);
        _exit(0);
      }
      CHECK(waitpid(child, NULL, 0) == child);
    }
    sched_yield();
  }
  for (int i = 0; i < kThreads; ++i) join_thread(threads[i]);
  for (int page = 0; page < 8; ++page)
    for (int i = 0; i < kThreads; ++i)
      CHECK_EQUAL(((volatile unsigned*)(memory + page * kPage))[16 + i], kRounds);
  CHECK(write(stop[1], "x", 1) == 1);
  join_thread(reader);
  close(fd);
  say("write protection");
}

static void count_signal(int signal) { (void)signal; }

static void test_signals(void) {
  int fd = uffd_new(0, UFFD_FEATURE_THREAD_ID);
  CHECK(madvise(memory, kPages * kPage, MADV_DONTNEED) == 0);
  CHECK(uffd_register(fd, memory, kPages * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  struct sigaction action = {.sa_handler = count_signal};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  static char page[kPage] __attribute__((aligned(kPage)));
  page[0] = 9;
  pthread_t thread = start_thread(thread_reads, memory);
  for (int i = 0; i < 5; ++i) {  // the access is repeated after each
    struct uffd_msg message = uffd_fault(fd, 0, memory);
    CHECK(message.arg.pagefault.ptid != 0 && message.arg.pagefault.ptid != (uint32_t)getpid());
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
  }
  uffd_fault(fd, 0, memory);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(thread), 9);

  // exec and exit let go of everything.
  for (int how = 0; how < 2; ++how) {
    pid_t child = fork();
    if (child == 0) {
      char* own = map_anonymous(kPage, PROT_READ | PROT_WRITE);
      int of_child = uffd_new(how == 0 ? O_CLOEXEC : 0, 0);
      CHECK(uffd_register(of_child, own, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
      if (how == 1) _exit(6);
      execl("/proc/self/exe", "again", "exec", NULL);
      _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(WEXITSTATUS(status), how == 0 ? 5 : 6);
  }
  close(fd);
  munmap(memory, kPages * kPage);
  say("signals, exec, exit");
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "exec") == 0) return 5;
  test_missing();
  test_write_protection();
  test_signals();
  return 0;
}
