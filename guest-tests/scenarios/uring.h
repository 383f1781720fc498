// SPDX-License-Identifier: GPL-2.0-or-later
//
// A device that writes and reads memory when it is told to: io_uring, by system calls, with a pipe in place
// of a disk.
//
// A registered buffer is what a network card's or a GPU's memory is to the kernel: its pages are pinned for
// reading and writing, for a long time. READ_FIXED from a pipe then is the device's write into them: it
// happens at the moment the test asks for it, and goes to the page that was pinned, whatever the process has
// there by now.
#pragma once

#include <linux/io_uring.h>
#include <sys/syscall.h>

#include "tap.h"

struct Uring {
  int fd;
  unsigned *submitted, *completed, *seen;
  struct io_uring_sqe* entries;
  struct io_uring_cqe* completions;
};

enum { kUringEntries = 4 };

static inline void* map_ring(int fd, size_t bytes, off_t offset) {
  void* ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  MUST(ring != MAP_FAILED);
  return ring;
}

static inline struct Uring open_uring(void) {
  struct io_uring_params sizes = {0};
  struct Uring ring = {.fd = (int)syscall(SYS_io_uring_setup, kUringEntries, &sizes)};
  if (ring.fd < 0 && (errno == ENOSYS || errno == EPERM)) skip("no io_uring");
  MUST(ring.fd >= 0);
  char* submissions =
      map_ring(ring.fd, sizes.sq_off.array + sizes.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
  char* completions = map_ring(ring.fd, sizes.cq_off.cqes + sizes.cq_entries * sizeof(struct io_uring_cqe),
                               IORING_OFF_CQ_RING);
  ring.entries = map_ring(ring.fd, sizes.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
  ring.submitted = (unsigned*)(submissions + sizes.sq_off.tail);
  unsigned* order = (unsigned*)(submissions + sizes.sq_off.array);
  for (unsigned i = 0; i < sizes.sq_entries; i++) order[i] = i;
  ring.completed = (unsigned*)(completions + sizes.cq_off.tail);
  ring.seen = (unsigned*)(completions + sizes.cq_off.head);
  ring.completions = (struct io_uring_cqe*)(completions + sizes.cq_off.cqes);
  return ring;
}

static inline void submit(struct Uring* ring, struct io_uring_sqe entry) {
  unsigned tail = *ring->submitted;
  ring->entries[tail % kUringEntries] = entry;
  __atomic_store_n(ring->submitted, tail + 1, __ATOMIC_RELEASE);
  MUST(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1);
}

// Waits for one completion: what read(2) or write(2) would have returned, or -errno.
static inline int completion(struct Uring* ring) {
  while (*ring->seen == __atomic_load_n(ring->completed, __ATOMIC_ACQUIRE)) {
    long done = syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    MUST(done >= 0 || errno == EINTR);
  }
  int result = ring->completions[*ring->seen % (2 * kUringEntries)].res;
  __atomic_store_n(ring->seen, *ring->seen + 1, __ATOMIC_RELEASE);
  return result;
}

// ---- Registered memory
// --------------------------------------------------------------------------------------------

struct Device {
  struct Uring ring;
  int pipe[2];
};

static inline struct Device open_device(void) {
  struct Device device = {.ring = open_uring()};
  MUST(pipe(device.pipe) == 0);
  return device;
}

// The device may read and write these pages from now on.
static inline void pin_for_device(struct Device* device, char* pages, size_t count) {
  struct iovec buffer = {pages, count * kPage};
  MUST(syscall(SYS_io_uring_register, device->ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1) == 0);
}
static inline void unpin_for_device(struct Device* device) {
  MUST(syscall(SYS_io_uring_register, device->ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0) == 0);
}

// `address` says where in the pinned pages: it does not matter what the process has there by now.
static inline int device_moves_a_byte(struct Device* device, int operation, const char* address) {
  submit(&device->ring, (struct io_uring_sqe){.opcode = (uint8_t)operation,
                                              .fd = device->pipe[operation == IORING_OP_WRITE_FIXED],
                                              .addr = (uintptr_t)address,
                                              .len = 1});
  return completion(&device->ring);
}

static inline void device_writes(struct Device* device, const char* address, int value) {
  char byte = (char)value;
  MUST(write(device->pipe[1], &byte, 1) == 1);
  MUST(device_moves_a_byte(device, IORING_OP_READ_FIXED, address) == 1);
}

static inline int device_reads(struct Device* device, const char* address) {
  char byte;
  MUST(device_moves_a_byte(device, IORING_OP_WRITE_FIXED, address) == 1);
  MUST(read(device->pipe[0], &byte, 1) == 1);
  return byte;
}

// ---- Memory of one transfer
// ---------------------------------------------------------------------------------------

// A read is on its way, as one from a disk with O_DIRECT: the device knows the page from here on, and writes
// it when the data come.
static inline void device_begins_to_read(struct Device* device, char* address) {
  submit(&device->ring,
         (struct io_uring_sqe){
             .opcode = IORING_OP_READ, .fd = device->pipe[0], .addr = (uintptr_t)address, .len = 1});
}
static inline int data_come(struct Device* device, int value) {
  char byte = (char)value;
  MUST(write(device->pipe[1], &byte, 1) == 1);
  return completion(&device->ring);
}

// A device of that kind. Linux knows none in a pipe: there the memory is looked up only when the data come.
// To be told by what happens to memory that is unmapped in between.
static inline struct Device open_direct_device(void) {
  struct Device device = {.ring = open_uring()};
  MUST(pipe2(device.pipe, 0) == 0 && fcntl(device.pipe[0], F_SETFL, O_DIRECT) == 0);
  char* probe = private_pages(1);
  put(probe, 0);
  device_begins_to_read(&device, probe);
  MUST(munmap(probe, kPage) == 0);
  if (data_come(&device, 1) != 1) skip("O_DIRECT on a pipe takes no reference at submission");
  return device;
}
