// SPDX-License-Identifier: GPL-2.0-or-later
//
// Forks while a device has pages of the parent. They stay the parent's, whoever writes first. Not for
// policies that lose a device's data then (scenarios/s05.c, s06.c).
#include "children.h"
#include "ring.h"

static struct Ring ring;
static int device[2];

static void start(unsigned opcode, const char* memory, unsigned bytes, uint64_t data) {
  ring_transfer(&ring, opcode, device[0], memory, bytes, 0, data);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
}

// A registered buffer, which is pinned.
static void registered(bool parent_writes) {
  char* page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  page[0] = 1;
  page[1] = 1;
  struct iovec part = {page, kPage};
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_BUFFERS, &part, 1), 0);
  struct Gate go = make_gate();
  pid_t child = checked_fork();
  if (child == 0) {
    pass_gate(go);
    _exit(page[0] * 16 + page[1]);
  }
  if (parent_writes) page[1] = 2;
  start(IORING_OP_READ_FIXED, page, 1, 1);
  char three = 3;
  CHECK_EQUAL(write(device[1], &three, 1), 1);
  RING_EXPECT(&ring, 1, 1);
  CHECK_EQUAL(page[0], 3);
  CHECK_EQUAL(page[1], parent_writes ? 2 : 1);
  open_gate(go);
  CHECK_EXITS(child, 0x11);
  remove_gate(go);
  CHECK_EQUAL(ring_register(ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
  munmap(page, kPage);
}

// A read with O_DIRECT on its way; its buffer is taken when it starts, or when the data come.
static void direct(void) {
  int pipe_ends[2];
  CHECK(pipe2(pipe_ends, 0) == 0 && fcntl(pipe_ends[0], F_SETFL, O_DIRECT) == 0);
  char* page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  page[0] = page[1] = 1;
  ring_transfer(&ring, IORING_OP_READ, pipe_ends[0], page, 1, 0, 4);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  pid_t child = checked_fork();
  if (child == 0) {
    page[0] = 9;
    _exit(0);
  }
  CHECK_EXITS(child, 0);
  page[1] = 2;
  CHECK_EQUAL(write(pipe_ends[1], "\3 and more", 10), 10);
  RING_EXPECT(&ring, 4, 1);
  CHECK_EQUAL(page[0], 3);
  CHECK_EQUAL(page[1], 2);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  munmap(page, kPage);
}

static void nobody_writes(void) { registered(false); }
static void the_parent_writes(void) { registered(true); }

static void begin(void) {
  ring = ring_make(8, 0, 0);
  CHECK(pipe(device) == 0);
}

static void end(void) { ring_free(&ring); }

int main(void) {
  static const struct RingTest tests[] = {
      {begin, "a ring: ok"},
      {nobody_writes, "registered, nobody writes: ok"},
      {the_parent_writes, "registered, the parent writes: ok"},
      {direct, "direct, the child writes first: ok"},
      {end, "end: ok"},
  };
  ring_run(tests, sizeof tests / sizeof tests[0]);
  return 0;
}
