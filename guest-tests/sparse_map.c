// SPDX-License-Identifier: GPL-2.0-or-later
//
// A terabyte of addresses with a few pages in it: every touched page needs tables of its own. And mappings at
// the edges of the address space.
#include "check.h"

static const size_t kSize = (size_t)1 << 40;
static const size_t kSteps[] = {(size_t)1 << 21, (size_t)1 << 30,
                                (size_t)1 << 36};  // page table, directory, far apart

static uint64_t value_at(size_t offset) { return offset * 0x9e3779b97f4a7c15 + 1; }

static void write_value(char* place, size_t offset) { *(volatile uint64_t*)place = value_at(offset); }
static uint64_t read_value(const char* place) { return *(const volatile uint64_t*)place; }

// Both sides of 15 boundaries at each distance.
static void touch(char* memory, void (*visit)(char*, size_t)) {
  for (unsigned i = 0; i < sizeof kSteps / sizeof kSteps[0]; i++) {
    for (size_t n = 1; n < 16; n++) {
      visit(memory + n * kSteps[i] - 8, n * kSteps[i] - 8);
      visit(memory + n * kSteps[i], n * kSteps[i]);
    }
  }
}

static void store(char* place, size_t offset) { write_value(place, offset); }
static void verify(char* place, size_t offset) {
  CHECK_EQUAL(read_value(place), value_at(offset));
  CHECK_EQUAL(read_byte(place - (uintptr_t)place % kPage + 2000), 0);
}

static void edges(void) {
  static const uintptr_t places[] = {0x10000,     0x7fe00000,     0xfffff000,
                                     0x100000000, 0x123456789000, 0x555000000000 - kPage};
  char* memory[6];
  for (int i = 0; i < 6; i++) {
    memory[i] = mmap((void*)places[i], kPage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK_EQUAL((uintptr_t)memory[i], places[i]);
    write_value(memory[i], places[i]);
  }
  for (int i = 0; i < 6; i++) CHECK_EQUAL(read_value(memory[i]), value_at(places[i]));
  for (int i = 0; i < 6; i++) CHECK(munmap(memory[i], kPage) == 0);
  // The last page below the non-canonical hole is never mapped; what would reach into it is refused.
  CHECK_FAILS(
      (long)mmap((void*)0x7ffffffff000, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
      ENOMEM);
  CHECK_FAILS(
      (long)mmap((void*)0x7fffffffe000, 2 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
      ENOMEM);
  CHECK_FAILS(
      (long)mmap(NULL, (size_t)1 << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      ENOMEM);
}

int main(void) {
  char* memory =
      mmap(NULL, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  madvise(memory, kSize, MADV_NOHUGEPAGE);  // a kernel without huge pages may refuse
  touch(memory, store);
  touch(memory, verify);
  say("touched both sides of 45 boundaries in a terabyte");

  // A hole over two of the directories; the rest stays.
  size_t hole = 2 * kSteps[1], hole_end = 4 * kSteps[1];
  CHECK(munmap(memory + hole, hole_end - hole) == 0);
  install_handler(SIGSEGV, catch_and_leave, 0);
  CHECK(RAISES(read_byte(memory + hole)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK(RAISES(read_byte(memory + 3 * kSteps[1])));
  CHECK(RAISES(read_byte(memory + hole_end - 1)));
  CHECK_EQUAL(read_value(memory + hole - 8), value_at(hole - 8));
  CHECK_EQUAL(read_value(memory + hole_end), value_at(hole_end));
  say("a hole of 2 GiB");

  CHECK(mmap(memory + hole, hole_end - hole, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == memory + hole);
  CHECK_EQUAL(read_value(memory + 3 * kSteps[1]), 0);
  write_value(memory + 3 * kSteps[1], 3);
  CHECK_EQUAL(read_value(memory + 3 * kSteps[1]), value_at(3));
  CHECK(munmap(memory, kSize) == 0);
  CHECK(RAISES(read_byte(memory)));
  CHECK(RAISES(read_byte(memory + 15 * kSteps[2])));
  say("filled again, then gone");

  edges();
  say("mappings at the edges");
  return 0;
}
