// SPDX-License-Identifier: GPL-2.0-or-later
//
// brk: the heap's end moves, memory beyond the old end is zero, memory given back is gone, and what cannot be
// given is answered with the end as it is. By the bare system call: the C libraries' brk differ.
#include "check.h"

static char* set_end(char* end) { return (char*)raw_syscall(SYS_brk, (long)end, 0, 0, 0, 0, 0); }

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  char* start = set_end(NULL);
  CHECK(start != NULL);
  char* page = (char*)(((uintptr_t)start + kPage - 1) / kPage * kPage);

  CHECK(set_end(page + 16 * kPage) == page + 16 * kPage);
  for (int i = 0; i < 16; i++) {
    CHECK_EQUAL(read_byte(page + i * kPage), 0);
    write_byte(page + i * kPage, (uint8_t)(i + 1));
  }
  CHECK(RAISES(read_byte(page + 16 * kPage)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  say("grown by 16 pages of zeroes");

  // An end inside a page: the page stays usable to its last byte, the next one is not there.
  CHECK(set_end(page + 4 * kPage + 10) == page + 4 * kPage + 10);
  CHECK_EQUAL(read_byte(page + 4 * kPage), 5);
  write_byte(page + 5 * kPage - 1, 99);
  CHECK(RAISES(read_byte(page + 5 * kPage)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK(set_end(page + 8 * kPage) == page + 8 * kPage);
  CHECK_EQUAL(read_byte(page + 5 * kPage - 1), 99);
  CHECK_EQUAL(read_byte(page + 5 * kPage), 0);
  CHECK_EQUAL(read_byte(page + 7 * kPage), 0);
  say("shrunk, and grown again with zeroes");

  CHECK(set_end((char*)kPage) == page + 8 * kPage);           // below its start
  CHECK(set_end((char*)0x7fffffff0000) == page + 8 * kPage);  // into the stack or beyond
  CHECK(set_end(NULL) == page + 8 * kPage);
  say("what cannot be is answered with the end as it is");

  char* obstacle = mmap(page + 32 * kPage, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(obstacle == page + 32 * kPage);
  CHECK(set_end(page + 33 * kPage) == page + 8 * kPage);
  CHECK(munmap(obstacle, kPage) == 0);
  CHECK(set_end(page + 33 * kPage) == page + 33 * kPage);
  say("another mapping stops it");

  CHECK(set_end(start) == start);
  CHECK(RAISES(read_byte(page + kPage)));
  void* block = malloc(100000);
  CHECK(block != NULL);
  memset(block, 1, 100000);
  free(block);
  say("the heap works afterwards");
  return 0;
}
