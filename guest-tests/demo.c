// SPDX-License-Identifier: GPL-2.0-or-later
//
// What tools/demo shows: a program that takes one page fault of each common kind and says what it is about to
// do, so that `mmuscope faults` can be read beside it.
#include "check.h"

char table[4 * kPage] __attribute__((aligned(kPage))) = "in the executable";

__attribute__((noinline)) static void use_stack(void) {
  volatile char frame[64 * 1024];
  frame[0] = 1;
  (void)frame[0];
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  char* memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);

  say("1. read a page that was never written: the kernel maps the shared page of zeroes");
  CHECK_EQUAL(read_byte(memory), 0);

  say("2. write to it: the entry is read-only, so the page gets memory of its own");
  write_byte(memory, 1);

  say("3. write to a page that was never read: one fault instead of two");
  write_byte(memory + kPage, 1);

  say("4. write to initialised data: the page is copied from the executable's");
  write_byte(table + 2 * kPage, 1);

  say("5. use 64 KiB of stack: it grows");
  use_stack();

  say("6. write where mprotect allows reading only: SIGSEGV");
  CHECK(mprotect(memory, kPage, PROT_READ) == 0);
  CHECK(RAISES(write_byte(memory, 2)) && caught.code == SEGV_ACCERR);

  say("7. call data: SIGSEGV again, by the execute-disable bit");
  CHECK(RAISES(((void (*)(void))(memory + kPage))()) && caught.code == SEGV_ACCERR);

  say("8. read through a null pointer");
  CHECK(RAISES(read_byte(NULL)) && caught.code == SEGV_MAPERR);
  say("done");
  return 0;
}
