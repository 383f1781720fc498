// SPDX-License-Identifier: GPL-2.0-or-later
//
// io_uring by its system calls alone, for the guest programs: a ring, its shared memory, entries,
// completions.
#pragma once

#include <linux/io_uring.h>

#include "check.h"

struct Ring {
  int fd;
  struct io_uring_params params;
  uint32_t *sq_head, *sq_tail, *sq_array, *sq_flags, *sq_dropped;
  uint32_t *cq_head, *cq_tail;
  struct io_uring_cqe* cqes;
  struct io_uring_sqe* sqes;
  char* rings;
  size_t ring_bytes;
  uint32_t filled;  // entries that have not been submitted
};

static inline int ring_setup(unsigned entries, struct io_uring_params* params) {
  return (int)syscall(SYS_io_uring_setup, entries, params);
}

static inline long ring_register(int fd, unsigned opcode, const void* argument, unsigned count) {
  return syscall(SYS_io_uring_register, fd, opcode, argument, count);
}

static inline long ring_enter(int fd, unsigned submit, unsigned least, unsigned flags) {
  return syscall(SYS_io_uring_enter, fd, submit, least, flags, NULL, 0);
}

static inline struct Ring ring_make(unsigned entries, unsigned flags, unsigned completions) {
  struct Ring ring = {.params = {.flags = flags, .cq_entries = completions}};
  ring.fd = ring_setup(entries, &ring.params);
  CHECK(ring.fd >= 0);
  const struct io_uring_params* p = &ring.params;
  size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
  size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
  ring.ring_bytes = sq > cq ? sq : cq;
  int flags_of_map = MAP_SHARED | MAP_POPULATE;
  ring.rings = mmap(NULL, ring.ring_bytes, PROT_READ | PROT_WRITE, flags_of_map, ring.fd, IORING_OFF_SQ_RING);
  CHECK(ring.rings != MAP_FAILED);
  ring.sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, flags_of_map,
                   ring.fd, IORING_OFF_SQES);
  CHECK(ring.sqes != MAP_FAILED);
  ring.sq_head = (uint32_t*)(ring.rings + p->sq_off.head);
  ring.sq_tail = (uint32_t*)(ring.rings + p->sq_off.tail);
  ring.sq_array = (uint32_t*)(ring.rings + p->sq_off.array);
  ring.sq_flags = (uint32_t*)(ring.rings + p->sq_off.flags);
  ring.sq_dropped = (uint32_t*)(ring.rings + p->sq_off.dropped);
  ring.cq_head = (uint32_t*)(ring.rings + p->cq_off.head);
  ring.cq_tail = (uint32_t*)(ring.rings + p->cq_off.tail);
  ring.cqes = (struct io_uring_cqe*)(ring.rings + p->cq_off.cqes);
  return ring;
}

static inline void ring_free(struct Ring* ring) {
  munmap(ring->rings, ring->ring_bytes);
  munmap(ring->sqes, ring->params.sq_entries * sizeof(struct io_uring_sqe));
  close(ring->fd);
}

// The next entry, cleared, with the most usual fields.
static inline struct io_uring_sqe* ring_entry(struct Ring* ring, unsigned opcode, int fd, uint64_t data) {
  uint32_t tail = *ring->sq_tail, index = tail & (ring->params.sq_entries - 1);
  struct io_uring_sqe* sqe = &ring->sqes[index];
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = (uint8_t)opcode;
  sqe->fd = fd;
  sqe->user_data = data;
  ring->sq_array[index] = index;
  __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
  ++ring->filled;
  return sqe;
}

static inline struct io_uring_sqe* ring_transfer(struct Ring* ring, unsigned opcode, int fd,
                                                 const void* memory, unsigned bytes, uint64_t offset,
                                                 uint64_t data) {
  struct io_uring_sqe* sqe = ring_entry(ring, opcode, fd, data);
  sqe->addr = (uint64_t)(uintptr_t)memory;
  sqe->len = bytes;
  sqe->off = offset;
  return sqe;
}

// Submits what has been filled in; how many the kernel took.
static inline long ring_submit(struct Ring* ring, unsigned least) {
  long taken = ring_enter(ring->fd, ring->filled, least, least > 0 ? IORING_ENTER_GETEVENTS : 0);
  if (taken > 0) ring->filled -= (uint32_t)taken;
  return taken;
}

static inline unsigned ring_ready(const struct Ring* ring) {
  return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - *ring->cq_head;
}

struct Completion {
  uint64_t user_data;
  int32_t res;
  uint32_t flags;
};

// The next completion, waited for.
static inline struct Completion ring_completion(struct Ring* ring) {
  while (ring_ready(ring) == 0) {
    long entered = ring_enter(ring->fd, 0, 1, IORING_ENTER_GETEVENTS);
    CHECK(entered == 0 || errno == EINTR);
  }
  uint32_t head = *ring->cq_head;
  const struct io_uring_cqe* cqe = &ring->cqes[head & (ring->params.cq_entries - 1)];
  struct Completion completion = {cqe->user_data, cqe->res, cqe->flags};
  __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
  return completion;
}

#define RING_EXPECT(ring, data, result)             \
  do {                                              \
    struct Completion cqe_ = ring_completion(ring); \
    CHECK_EQUAL(cqe_.user_data, data);              \
    CHECK_EQUAL(cqe_.res, result);                  \
  } while (0)

// The completions of requests `first`, first + 1, ... in any order.
static inline void ring_expect_all(struct Ring* ring, unsigned first, unsigned count, const int* results) {
  bool seen[16] = {false};
  for (unsigned i = 0; i < count; ++i) {
    struct Completion cqe = ring_completion(ring);
    CHECK(cqe.user_data >= first && cqe.user_data < first + count && !seen[cqe.user_data - first]);
    seen[cqe.user_data - first] = true;
    if (cqe.res != results[cqe.user_data - first]) say("request %d", (int)cqe.user_data);
    CHECK_EQUAL(cqe.res, results[cqe.user_data - first]);
  }
}
#define RING_EXPECT_ALL(ring, first, ...) \
  ring_expect_all(ring, first, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})

// A part of a test and what it says when it has passed. Where there is no io_uring (a Linux that forbids it:
// EPERM, ENOSYS), nothing is checked and all is said.
struct RingTest {
  void (*run)(void);
  const char* passed;
};

static inline void ring_run(const struct RingTest* tests, size_t count) {
  struct io_uring_params params = {0};
  int fd = ring_setup(1, &params);
  bool there = fd >= 0 || (errno != ENOSYS && errno != EPERM);
  if (fd >= 0) close(fd);
  for (size_t i = 0; i < count; ++i) {
    if (there) tests[i].run();
    say("%s", tests[i].passed);
  }
}
