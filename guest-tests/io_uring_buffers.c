// SPDX-License-Identifier: GPL-2.0-or-later
//
// Registered buffers, which are pinned, and registered files. A pipe is the device that writes and reads
// memory by itself: when a read of it is in flight, whoever writes into the pipe moves the bytes. They go to
// the pages that were pinned, wherever the program's address leads by then. Forks: io_uring_forks.
#include <fcntl.h>
#include <sys/uio.h>

#include "ring.h"

static struct Ring ring;
static int device[2];

static long register_buffers(void* memory, size_t bytes) {
  struct iovec part = {memory, bytes};
  return ring_register(ring.fd, IORING_REGISTER_BUFFERS, &part, 1);
}

static void unregister_buffers(void) {
  CHECK_EQUAL(ring_register(ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
}

// Starts what the device does later.
static void start(unsigned opcode, const char* memory, unsigned bytes, uint64_t data) {
  ring_transfer(&ring, opcode, device[opcode == IORING_OP_WRITE_FIXED], memory, bytes, 0, data);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
}

static void registering(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  char* constant = map_anonymous(kPage, PROT_READ);
  struct iovec sparse[3] = {{memory, 10}, {NULL, 0}, {memory + kPage, 2 * kPage}};
  CHECK_FAILS(ring_register(ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), ENXIO);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_BUFFERS, sparse, 0), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_BUFFERS, sparse, 16385), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_BUFFERS, NULL, 1), EFAULT);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_BUFFERS, (void*)16, 1), EFAULT);
  CHECK_FAILS(register_buffers(memory, 0), EFAULT);
  CHECK_FAILS(register_buffers(NULL, 1), EFAULT);
  CHECK_FAILS(register_buffers(memory, (1u << 30) + 1), EFAULT);
  CHECK_FAILS(register_buffers((void*)kPage, 1), EFAULT);
  CHECK_FAILS(register_buffers(constant, 1), EFAULT);
  munmap(memory + 3 * kPage, kPage);
  CHECK_FAILS(register_buffers(memory, 4 * kPage), EFAULT);
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_BUFFERS, sparse, 3), 0);
  CHECK_FAILS(register_buffers(memory, 1), EBUSY);

  // Only within a buffer; none at all; the one that was left out.
  CHECK_EQUAL(write(device[1], "0123456789abcdef", 16), 16);
  start(IORING_OP_READ_FIXED, memory + 8, 3, 1);
  RING_EXPECT(&ring, 1, -EFAULT);
  start(IORING_OP_READ_FIXED, memory + 10, 0, 2);
  RING_EXPECT(&ring, 2, 0);
  ring_transfer(&ring, IORING_OP_READ_FIXED, device[0], memory, 1, 0, 3)->buf_index = 3;
  ring_transfer(&ring, IORING_OP_READ_FIXED, device[0], memory, 1, 0, 4)->buf_index = 1;
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT_ALL(&ring, 3, -EFAULT, -EFAULT);
  ring_transfer(&ring, IORING_OP_READ_FIXED, device[0], memory + 2 * kPage - 8, 16, 0, 5)->buf_index = 2;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 5, 16);
  CHECK(memcmp(memory + 2 * kPage - 8, "0123456789abcdef", 16) == 0);
  unregister_buffers();
  CHECK_FAILS(ring_register(ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), ENXIO);
  munmap(memory, 4 * kPage);
  munmap(constant, kPage);
}

// What a device does and what the program does to one page are in step.
static void in_step(void) {
  char* page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  CHECK_EQUAL(register_buffers(page, kPage), 0);
  start(IORING_OP_READ_FIXED, page, 8, 1);
  page[8] = 'p';
  CHECK_EQUAL(ring_ready(&ring), 0);
  CHECK_EQUAL(write(device[1], "device", 7), 7);
  RING_EXPECT(&ring, 1, 7);
  CHECK(strcmp(page, "device") == 0 && page[8] == 'p');
  strcpy(page, "program");
  start(IORING_OP_WRITE_FIXED, page, 8, 2);
  RING_EXPECT(&ring, 2, 8);
  char text[8];
  CHECK(read(device[0], text, 8) == 8 && strcmp(text, "program") == 0);

  // The mapping goes; the page stays as long as it is pinned.
  start(IORING_OP_READ_FIXED, page, 8, 3);
  munmap(page, kPage);
  CHECK_EQUAL(write(device[1], "nowhere", 8), 8);
  RING_EXPECT(&ring, 3, 8);
  start(IORING_OP_WRITE_FIXED, page, 8, 4);
  RING_EXPECT(&ring, 4, 8);
  CHECK(read(device[0], text, 8) == 8 && strcmp(text, "nowhere") == 0);

  // Unregistered while in flight: the request keeps what it needs.
  start(IORING_OP_READ_FIXED, page, 8, 5);
  unregister_buffers();
  CHECK_EQUAL(write(device[1], "later", 6), 6);
  RING_EXPECT(&ring, 5, 6);
}

// Without registering. The buffer is looked for when there is something to put into it.
static void plain_buffers(void) {
  char* page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  ring_transfer(&ring, IORING_OP_READ, device[0], page, kPage, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK(mmap(page, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
  CHECK_EQUAL(write(device[1], "found", 5), 5);
  RING_EXPECT(&ring, 1, 5);
  CHECK(strcmp(page, "found") == 0);

  // Nothing is lost when it is not there.
  ring_transfer(&ring, IORING_OP_READ, device[0], page, kPage, 0, 2);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  munmap(page, kPage);
  CHECK_EQUAL(write(device[1], "stays", 5), 5);
  RING_EXPECT(&ring, 2, -EFAULT);
  char text[16] = "";
  CHECK(read(device[0], text, sizeof text) == 5 && strcmp(text, "stays") == 0);

  // More than is there, in two parts of which the second is not needed.
  struct iovec parts[2] = {{text, 2}, {(void*)kPage, 10}};
  ring_transfer(&ring, IORING_OP_READV, device[0], parts, 2, 0, 3);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK_EQUAL(write(device[1], "xy", 2), 2);
  RING_EXPECT(&ring, 3, 2);
  CHECK(memcmp(text, "xyays", 5) == 0);
}

static void registered_files(void) {
  int fds[3] = {device[0], -1, device[1]}, bad = 1000, some[2];
  char text[8] = "";
  CHECK(pipe(some) == 0);
  CHECK_FAILS(ring_register(ring.fd, IORING_UNREGISTER_FILES, NULL, 0), ENXIO);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, fds, 0), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, fds, 1 << 21), EMFILE);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, (void*)16, 3), EFAULT);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, &bad, 1), EBADF);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, &ring.fd, 1), EBADF);
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_FILES, fds, 3), 0);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES, fds, 3), EBUSY);
  struct io_uring_files_update update = {.offset = 1, .fds = (uint64_t)(uintptr_t)&some[0]};
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1), 1);
  update.offset = 3;
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1), EINVAL);

  ring_transfer(&ring, IORING_OP_WRITE, 2, "fixed", 5, 0, 1)->flags = IOSQE_FIXED_FILE;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 1, 5);
  ring_transfer(&ring, IORING_OP_READ, 0, text, 8, 0, 2)->flags = IOSQE_FIXED_FILE;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 2, 5);
  CHECK(strcmp(text, "fixed") == 0);
  ring_transfer(&ring, IORING_OP_READ, 3, text, 8, 0, 3)->flags = IOSQE_FIXED_FILE;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 3, -EBADF);
  // The descriptor may be closed.
  ring_transfer(&ring, IORING_OP_READ, 1, text, 8, 0, 4)->flags = IOSQE_FIXED_FILE;
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  close(some[0]);
  CHECK_EQUAL(write(some[1], "closed", 6), 6);
  RING_EXPECT(&ring, 4, 6);
  close(some[1]);
  CHECK_EQUAL(ring_register(ring.fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
}

static void probe(void) {
  struct {
    struct io_uring_probe head;
    struct io_uring_probe_op ops[64];
  } answer = {.head = {.last_op = 1}};
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_PROBE, &answer, 257), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_PROBE, &answer, 64), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_PROBE, (void*)16, 64), EFAULT);
  memset(&answer, 0, sizeof answer);
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_PROBE, &answer, 64), 0);
  CHECK(answer.head.last_op >= IORING_OP_WRITE && answer.head.ops_len > IORING_OP_WRITE);
  for (int i = IORING_OP_NOP; i <= IORING_OP_POLL_REMOVE; ++i) {
    CHECK_EQUAL(answer.ops[i].op, i);
    CHECK(answer.ops[i].flags & IO_URING_OP_SUPPORTED);
  }
}

static void begin(void) {
  ring = ring_make(8, 0, 0);
  CHECK(pipe(device) == 0);
  registering();
}

static void end(void) {
  probe();
  ring_free(&ring);
}

int main(void) {
  static const struct RingTest tests[] = {
      {begin, "registering: ok"},
      {in_step, "device and program: ok"},
      {plain_buffers, "plain buffers: ok"},
      {registered_files, "registered files: ok"},
      {end, "probe: ok"},
  };
  ring_run(tests, sizeof tests / sizeof tests[0]);
  return 0;
}
