// SPDX-License-Identifier: GPL-2.0-or-later
//
// Many threads and processes use rings at once: threads that share one and cancel each other's requests,
// processes that are killed, exit and execute with requests in flight, children that use their parent's ring.
// What is counted has to come out; what was in flight has to be gone afterwards.
#include <fcntl.h>
#include <pthread.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "ring.h"

enum { kThreads = 6, kRounds = 40, kProcesses = 24 };

static unsigned random_number(unsigned* state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 16;
}

// One ring for all. Submitting is one at a time; completions are taken by whoever waits.
static struct Ring shared;
static pthread_mutex_t submitting = PTHREAD_MUTEX_INITIALIZER, taking = PTHREAD_MUTEX_INITIALIZER;
static int pipes[kThreads][2];
static long submitted, completed, bytes_read, bytes_written, cancelled;

static void take_completions(void) {
  pthread_mutex_lock(&taking);
  while (ring_ready(&shared) > 0) {
    struct Completion cqe = ring_completion(&shared);
    ++completed;
    if (cqe.user_data == 1 && cqe.res > 0) bytes_read += cqe.res;
    if (cqe.user_data == 1 && cqe.res == -ECANCELED) ++cancelled;
    if (cqe.user_data == 1) CHECK(cqe.res > 0 || cqe.res == -ECANCELED);
    if (cqe.user_data == 2) CHECK(cqe.res == 0 || cqe.res == -ENOENT || cqe.res == -EALREADY);
  }
  pthread_mutex_unlock(&taking);
}

static void* share_a_ring(void* argument) {
  unsigned number = (unsigned)(uintptr_t)argument, random = number + 1;
  static char buffers[kThreads][64];
  for (int round = 0; round < kRounds; ++round) {
    pthread_mutex_lock(&submitting);
    unsigned other = random_number(&random) % kThreads;
    unsigned reads = 1 + random_number(&random) % 3;
    for (unsigned i = 0; i < reads; ++i)
      ring_transfer(&shared, IORING_OP_READ, pipes[other][0], buffers[number], 1 + random_number(&random) % 8,
                    0, 1);
    if (random_number(&random) % 3 == 0)
      ring_transfer(&shared, IORING_OP_ASYNC_CANCEL, -1, (void*)1, 0, 0, 2);
    unsigned filled = shared.filled;
    CHECK_EQUAL(ring_submit(&shared, 0), filled);
    submitted += filled;
    pthread_mutex_unlock(&submitting);
    size_t bytes = 1 + random_number(&random) % 16;
    CHECK_EQUAL(write(pipes[random_number(&random) % kThreads][1], "0123456789abcdef", bytes), bytes);
    __atomic_fetch_add(&bytes_written, (long)bytes, __ATOMIC_RELAXED);
    take_completions();
  }
  return NULL;
}

static void threads_share_a_ring(void) {
  shared = ring_make(16, IORING_SETUP_CQSIZE, 32);
  for (int i = 0; i < kThreads; ++i) CHECK(pipe2(pipes[i], O_NONBLOCK) == 0);
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i)
    CHECK(pthread_create(&threads[i], NULL, share_a_ring, (void*)i) == 0);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  // The requests of threads that have ended are cancelled, at once or (on Linux) when there is something to
  // read.
  static const char last[4000];
  for (int i = 0; i < kThreads; ++i) CHECK_EQUAL(write(pipes[i][1], last, sizeof last), sizeof last);
  bytes_written += kThreads * (long)sizeof last;
  while (completed < submitted) {
    CHECK(ring_enter(shared.fd, 0, 1, IORING_ENTER_GETEVENTS) == 0);
    take_completions();
  }
  CHECK_EQUAL(ring_ready(&shared), 0);
  char rest[4096];
  for (int i = 0; i < kThreads; ++i) {
    for (ssize_t got; (got = read(pipes[i][0], rest, sizeof rest)) > 0;) bytes_read += got;
    close(pipes[i][0]);
    close(pipes[i][1]);
  }
  CHECK_EQUAL(bytes_read, bytes_written);
  ring_free(&shared);
}

// A ring with buffers, and all kinds of things in flight; what the child does with it then is up to `how`.
static void die_with_requests(unsigned how) {
  unsigned random = how;
  struct Ring ring = ring_make(32, 0, 0);
  char* memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  struct iovec part = {memory, 8 * kPage};
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_BUFFERS, &part, 1), 0);
  int fds[2], direct[2];
  CHECK(pipe(fds) == 0 && pipe2(direct, O_DIRECT) == 0 && fcntl(direct[0], F_SETFL, O_DIRECT) == 0);
  struct __kernel_timespec time = {.tv_sec = 1000};
  for (int i = 0; i < 16; ++i) {
    switch (random_number(&random) % 6) {
      case 0:
        ring_transfer(&ring, IORING_OP_READ, fds[0], memory, kPage, 0, 1);
        break;
      case 1:
        ring_transfer(&ring, IORING_OP_READ_FIXED, fds[0], memory + kPage, 5000, 0, 1);
        break;
      case 2:
        ring_transfer(&ring, IORING_OP_READ, direct[0], memory + 4 * kPage, 2 * kPage, 0, 1);
        break;
      case 3:
        ring_entry(&ring, IORING_OP_POLL_ADD, fds[0], 1)->poll_events = 1;
        break;
      case 4:
        ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 1, random_number(&random) % 2 * 100, 1);
        break;
      default:
        // The ring's own descriptor: the request keeps the ring that keeps the request.
        ring_entry(&ring, IORING_OP_POLL_ADD, ring.fd, 1)->poll_events = 1;
    }
    if (random_number(&random) % 3 == 0) {
      ring.sqes[(*ring.sq_tail - 1) % 32].flags = IOSQE_IO_LINK;
      ring_transfer(&ring, IORING_OP_READ, fds[0], memory, 1, 0, 1);
    }
  }
  CHECK(ring_submit(&ring, 0) > 0);
  switch (how % 6) {
    case 0:
      _exit(0);
    case 1:
      ring_free(&ring);
      _exit(0);
    case 2:
      execl("/proc/self/exe", "io_uring_torture", "after-exec", (char*)NULL);
      _exit(9);
    case 3:  // its own child has the ring, too
      if (fork() == 0) {
        ring_entry(&ring, IORING_OP_READ, fds[0], 2);
        ring_submit(&ring, 0);
        usleep(500);
      }
      _exit(0);
    case 4:  // in the middle of a transfer
      if (fork() == 0) {
        for (int i = 0; i < 100; ++i)
          if (write(fds[1], memory, 300) < 0) break;
        _exit(0);
      }
      usleep(200);
      _exit(0);
    default:
      kill(getpid(), SIGKILL);
  }
}

static void processes_die(void) {
  pid_t children[kProcesses];
  for (unsigned i = 0; i < kProcesses; ++i) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) die_with_requests(i);
  }
  for (unsigned i = 0; i < kProcesses; ++i) {
    int status;
    CHECK(waitpid(children[i], &status, 0) == children[i]);
    CHECK_EQUAL(status, i % 6 == 5 ? SIGKILL : 0);
  }
}

// A parent and its child use one ring: what one has in flight ends with it, what the other has stays.
static void ring_of_two(void) {
  struct Ring ring = ring_make(8, 0, 0);
  int fds[2];
  CHECK(pipe(fds) == 0);
  char byte = 0;
  ring_transfer(&ring, IORING_OP_READ, fds[0], &byte, 1, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  pid_t child = fork();
  if (child == 0) {
    ring_transfer(&ring, IORING_OP_READ, fds[0], &byte, 1, 0, 2);
    _exit(ring_submit(&ring, 0) == 1 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK_EQUAL(write(fds[1], "!", 1), 1);
  RING_EXPECT_ALL(&ring, 1, 1, -ECANCELED);
  CHECK_EQUAL(byte, '!');
  ring_free(&ring);
  close(fds[0]);
  close(fds[1]);
}

// The end of the program comes with requests in flight.
static void leave_some(void) {
  struct Ring ring = ring_make(8, 0, 0);
  int fds[2];
  CHECK(pipe(fds) == 0);
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 4; ++i) ring_transfer(&ring, IORING_OP_READ, fds[0], memory + i * kPage, kPage, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 0), 4);
}

int main(int argc, char** argv) {
  if (argc > 1) return strcmp(argv[1], "after-exec") == 0 ? 0 : 1;
  static const struct RingTest tests[] = {
      {threads_share_a_ring,
       "threads share a ring: each request has one completion, each byte was read once"},
      {processes_die, "processes die with requests in flight: ok"},
      {ring_of_two, "a ring of two processes: ok"},
      {leave_some, "the program ends with requests in flight"},
  };
  ring_run(tests, sizeof tests / sizeof tests[0]);
  return 0;
}
