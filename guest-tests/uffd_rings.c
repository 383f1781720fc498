// SPDX-License-Identifier: GPL-2.0-or-later
//
// io_uring and userfaultfd: a request in flight that needs a page which a monitor has to bring keeps nobody
// else from its pipe for good; and events are read by a request, those of forks too.
#include "ring.h"
#include "threads.h"
#include "uffd.h"

static struct Ring ring;

static int ends[2];
static char* page;

// Linux holds the pipe while it waits, but whoever waits can be killed; a thread of minikernel's rings
// cannot, and must not hold it.
static void* write_and_bring(void* monitor) {
  int fd = (int)(intptr_t)monitor;
  CHECK_EQUAL(write(ends[1], "hello", 5), 5);
  uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE, page);
  if (on_minikernel()) CHECK_EQUAL(write(ends[1], "world", 5), 5);
  CHECK(uffd_zero(fd, page, kPage, 0) == 0);
  return NULL;
}

static void a_page_is_missing(void) {
  CHECK(pipe(ends) == 0);
  page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  int fd = uffd_new(0, 0);
  CHECK(uffd_register(fd, page, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  ring_transfer(&ring, IORING_OP_READ, ends[0], page, 10, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  pthread_t other = start(write_and_bring, (void*)(intptr_t)fd);
  RING_EXPECT(&ring, 1, on_minikernel() ? 10 : 5);
  CHECK(memcmp(page, "hello", 5) == 0);
  result_of(other);
  close(fd);
  close(ends[0]);
  close(ends[1]);
  munmap(page, kPage);
}

static void* fork_once(void* unused) {
  (void)unused;
  pid_t pid = checked_fork();
  if (pid == 0) _exit(0);
  CHECK_EXITS(pid, 0);
  return NULL;
}

// A ring's thread has no descriptors in minikernel: the event stays, and is there to be read.
static void a_fork_is_told(void) {
  page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  int fd = uffd_new(O_NONBLOCK, UFFD_FEATURE_EVENT_FORK);
  CHECK(uffd_register(fd, page, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  struct uffd_msg message = {0};
  ring_transfer(&ring, IORING_OP_READ, fd, &message, sizeof message, 0, 2);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  pthread_t forker = start(fork_once, NULL);
  struct Completion done = ring_completion(&ring);
  if (done.res == -EINVAL && on_minikernel())
    CHECK_EQUAL(read(fd, &message, sizeof message), (long)sizeof message);
  else
    CHECK_EQUAL(done.res, (long)sizeof message);
  CHECK_EQUAL(message.event, UFFD_EVENT_FORK);
  CHECK(close((int)message.arg.fork.ufd) == 0);
  result_of(forker);
  close(fd);
  munmap(page, kPage);
}

static void begin(void) { ring = ring_make(8, 0, 0); }
static void end(void) { ring_free(&ring); }

int main(void) {
  static const struct RingTest tests[] = {
      {begin, "a ring: ok"},
      {a_page_is_missing, "a page is missing: ok"},
      {a_fork_is_told, "a fork is told: ok"},
      {end, "end: ok"},
  };
  ring_run(tests, sizeof tests / sizeof tests[0]);
  return 0;
}
