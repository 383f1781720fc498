// SPDX-License-Identifier: GPL-2.0-or-later
//
// mremap in all its forms: in place and moved, over other mappings, leaving the old area behind, and a second
// mapping of shared pages.
#include "areas.h"

static const int kTo = MREMAP_MAYMOVE | MREMAP_FIXED;

static void expect(const char* memory, int pages, int first) {
  for (int i = 0; i < pages; i++) {
    CHECK_EQUAL(read_byte(memory + i * kPage), first + i);
    CHECK_EQUAL(read_byte(memory + i * kPage + kPage - 1), first + i);
  }
}

static void errors(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  char* target = map_apart(8, PROT_NONE, kAnonymous);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, MREMAP_FIXED, target), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, kDontUnmap), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, 2 * kPage, kDontUnmap | MREMAP_MAYMOVE), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, kTo, target + 1), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, kTo, memory), EINVAL);
  CHECK_FAILS((long)mremap(memory, 2 * kPage, 2 * kPage, kTo, memory + kPage), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, kTo, (void*)0x7ffffffff000), EINVAL);
  CHECK_FAILS((long)mremap(memory, 0, kPage, MREMAP_MAYMOVE), EINVAL);  // private
  // More is given up than there is of user space.
  for (size_t end = (size_t)1 << 46; end <= (size_t)1 << 47; end *= 2) {
    CHECK_FAILS((long)mremap(memory, end - kPage, kPage, end == (size_t)1 << 47 ? 0 : kTo, target + kPage),
                EINVAL);
  }
  CHECK_FAILS((long)mremap(memory, kPage, 4 * kPage, 0), ENOMEM);
  CHECK(mremap(memory, kPage, kPage, 0) == memory);
  CHECK(mremap(memory, 2 * kPage, kPage + 1, 0) == memory);  // the same in pages
  CHECK(munmap(memory + 4 * kPage, kPage) == 0);
  CHECK_FAILS((long)mremap(memory + 4 * kPage, kPage, 2 * kPage, MREMAP_MAYMOVE), EFAULT);
  CHECK_FAILS((long)mremap(memory + 2 * kPage, 4 * kPage, 5 * kPage, MREMAP_MAYMOVE), EFAULT);
  unmap_apart(memory, 8);
  unmap_apart(target, 8);
  say("errors");
}

// Shrinking is unmapping: over several areas and holes.
static void shrunk(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 8);
  CHECK(mprotect(memory + 3 * kPage, kPage, PROT_READ) == 0);
  CHECK(munmap(memory + 5 * kPage, kPage) == 0);
  CHECK(mremap(memory, 8 * kPage, 2 * kPage, 0) == memory);
  expect(memory, 2, 1);
  for (int i = 2; i < 8; i++) CHECK(RAISES(read_byte(memory + i * kPage)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  unmap_apart(memory, 8);
  say("shrunk");
}

static void moved_to(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  char* target = map_apart(8, PROT_READ, kAnonymous);
  fill_pages(memory, 8);
  // From the middle, shorter, over something else.
  CHECK(mremap(memory + 2 * kPage, 4 * kPage, 2 * kPage, kTo, target + kPage) == target + kPage);
  CHECK_EQUAL(read_byte(target), 0);
  expect(target + kPage, 2, 3);
  CHECK_EQUAL(read_byte(target + 3 * kPage), 0);
  expect(memory, 2, 1);
  expect(memory + 6 * kPage, 2, 7);
  for (int i = 2; i < 6; i++) CHECK(RAISES(read_byte(memory + i * kPage)));
  write_byte(target + kPage, 3);
  CHECK(RAISES(write_byte(target, 3)));
  // Longer, with new pages at the end.
  CHECK(mremap(memory + 6 * kPage, 2 * kPage, 4 * kPage, kTo, target + 4 * kPage) == target + 4 * kPage);
  expect(target + 4 * kPage, 2, 7);
  CHECK_EQUAL(read_byte(target + 6 * kPage), 0);
  CHECK_EQUAL(read_byte(target + 7 * kPage), 0);
  write_byte(target + 7 * kPage, 1);
  unmap_apart(memory, 8);
  unmap_apart(target, 8);
  // Over the start of the area that it comes from.
  memory = map_apart(10, kReadWrite, kAnonymous);
  fill_pages(memory, 10);
  CHECK(mremap(memory + 5 * kPage, 2 * kPage, 2 * kPage, kTo, memory) == memory);
  expect(memory, 2, 6);
  expect(memory + 2 * kPage, 3, 3);
  expect(memory + 7 * kPage, 3, 8);
  CHECK(RAISES(read_byte(memory + 5 * kPage)) && RAISES(read_byte(memory + 6 * kPage)));
  unmap_apart(memory, 10);
  say("moved to a place");
}

// Linux before 6.17 moves one area.
static bool moves_one_only(void) {
  struct utsname name;
  int major, minor;
  CHECK(uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2);
  return !on_minikernel() && (major < 6 || (major == 6 && minor < 17));
}

// Areas of different rights move together, and the holes between them.
static void several(void) {
  say("several areas");
  if (moves_one_only()) return;
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  char* target = map_apart(10, PROT_READ, kAnonymous);
  fill_pages(memory, 8);
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_READ) == 0);
  CHECK(munmap(memory + 5 * kPage, kPage) == 0);
  // From one page into the first area to one before the end.
  CHECK(mremap(memory + kPage, 6 * kPage, 6 * kPage, kTo, target + kPage) == target + kPage);
  expect(memory, 1, 1);
  expect(memory + 7 * kPage, 1, 8);
  for (int i = 1; i < 7; i++) CHECK(RAISES(read_byte(memory + i * kPage)));
  expect(target + kPage, 4, 2);
  expect(target + 6 * kPage, 1, 7);
  CHECK(RAISES(write_byte(target + 2 * kPage, 1)));
  write_byte(target + 3 * kPage, 4);
  CHECK_EQUAL(read_byte(target + 5 * kPage), 0);  // the hole covers nothing
  CHECK(RAISES(write_byte(target + 5 * kPage, 1)));
  // Not with a hole in front; and what gets another length is one area.
  CHECK_FAILS((long)mremap(memory + 2 * kPage, 6 * kPage, 6 * kPage, kTo, target), EFAULT);
  CHECK_FAILS((long)mremap(target + kPage, 4 * kPage, 5 * kPage, kTo, memory), EFAULT);
  CHECK_FAILS((long)mremap(target + kPage, 4 * kPage, 2 * kPage, kTo, memory), EFAULT);
  expect(target + kPage, 4, 2);
  // Left behind.
  CHECK(mremap(target + kPage, 3 * kPage, 3 * kPage, kTo | kDontUnmap, memory) == memory);
  expect(memory, 3, 2);
  CHECK_EQUAL(read_byte(target + kPage), 0);
  CHECK(RAISES(write_byte(memory + kPage, 1)) && RAISES(write_byte(target + 2 * kPage, 1)));
  CHECK(mremap(memory, 1, kPage, kTo | kDontUnmap, target + 9 * kPage) == target + 9 * kPage);
  expect(target + 9 * kPage, 1, 2);
  unmap_apart(memory, 8);
  unmap_apart(target, 10);
}

// Rights go with the pages, those of pages that nothing may touch included.
static void closed(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  char* target = map_apart(4, kReadWrite, kAnonymous);
  fill_pages(memory, 4);
  CHECK(mprotect(memory, 4 * kPage, PROT_NONE) == 0);
  CHECK(mremap(memory, 4 * kPage, 4 * kPage, kTo, target) == target);
  CHECK(RAISES(read_byte(target)));
  CHECK_EQUAL(caught.code, SEGV_ACCERR);
  CHECK(mprotect(target, 4 * kPage, PROT_READ) == 0);
  expect(target, 4, 1);
  CHECK(RAISES(write_byte(target, 9)));
  CHECK(mprotect(target, 4 * kPage, kReadWrite) == 0);
  write_byte(target, 9);
  CHECK_EQUAL(read_byte(target), 9);
  unmap_apart(memory, 4);
  unmap_apart(target, 4);
  say("moved without rights");
}

static void left_behind(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  fill_pages(memory, 4);
  char* moved = mremap(memory + kPage, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | kDontUnmap, NULL);
  if (moved != MAP_FAILED) {
    expect(moved, 2, 2);
    say("%-24s %s", "left behind", residency(memory, 4));
    CHECK_EQUAL(read_byte(memory + kPage), 0);
    write_byte(memory + 2 * kPage, 99);
    expect(moved, 2, 2);
    CHECK(one_area(memory, 4));
    // To a place, over something else.
    char* target = map_apart(2, PROT_READ, kAnonymous);
    CHECK(mremap(moved, 2 * kPage, 2 * kPage, kTo | kDontUnmap, target) == target);
    expect(target, 2, 2);
    CHECK_EQUAL(read_byte(moved), 0);
    unmap_apart(target, 2);
    CHECK(munmap(moved, 2 * kPage) == 0);
  }
  unmap_apart(memory, 4);

  // Locked memory: what is left behind is not.
  memory = map_apart(2, kReadWrite, kAnonymous | MAP_LOCKED);
  moved = mremap(memory, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | kDontUnmap, NULL);
  CHECK(moved != MAP_FAILED);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK_FAILS(madvise(moved, kPage, MADV_DONTNEED), EINVAL);
  CHECK(munmap(moved, 2 * kPage) == 0);
  unmap_apart(memory, 2);

  // Shared memory comes back from the object.
  memory = map_apart(2, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  fill_pages(memory, 2);
  moved = mremap(memory, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | kDontUnmap, NULL);
  CHECK(moved != MAP_FAILED);
  expect(memory, 2, 1);
  write_byte(memory, 77);
  CHECK_EQUAL(read_byte(moved), 77);
  CHECK(munmap(moved, 2 * kPage) == 0);
  unmap_apart(memory, 2);
  say("left behind, shared");
}

static void twice(void) {
  char* memory = map_apart(4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  fill_pages(memory, 4);
  char* again = mremap(memory + kPage, 0, 2 * kPage, MREMAP_MAYMOVE);
  CHECK(again != MAP_FAILED);
  expect(again, 2, 2);
  expect(memory, 4, 1);
  write_byte(again + kPage, 55);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 55);
  CHECK_FAILS((long)mremap(memory, 0, kPage, 0), ENOMEM);
  CHECK(munmap(memory + kPage, 2 * kPage) == 0);
  CHECK_EQUAL(read_byte(again + kPage), 55);
  CHECK(munmap(again, 2 * kPage) == 0);
  // Beyond the end of the object there is nothing.
  again = mremap(memory, 0, 5 * kPage, MREMAP_MAYMOVE);
  CHECK(again != MAP_FAILED);
  CHECK_EQUAL(read_byte(again + 3 * kPage), 4);
  CHECK(RAISES(read_byte(again + 4 * kPage)));
  CHECK_EQUAL(caught.signal, SIGBUS);
  CHECK_EQUAL(caught.code, BUS_ADRERR);
  CHECK(munmap(again, 5 * kPage) == 0);
  unmap_apart(memory, 4);
  say("mapped twice");
}

static void in_child(char* memory) {
  char* moved = mremap(memory, 4 * kPage, 8 * kPage, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  expect(moved, 4, 1);
  for (int i = 0; i < 8; i++) write_byte(moved + i * kPage, 100);
  CHECK(RAISES(read_byte(memory)));
}

// Pages that a child shares with its parent move in its address space alone, and stay copy-on-write.
static void shared_with_parent(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  fill_pages(memory, 4);
  in_a_child(in_child, memory);
  expect(memory, 4, 1);
  char* moved = mremap(memory, 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | kDontUnmap, NULL);
  CHECK(moved != MAP_FAILED);
  in_a_child(in_child, moved);
  expect(moved, 4, 1);
  CHECK(munmap(moved, 4 * kPage) == 0);
  unmap_apart(memory, 4);
  say("shared with a parent");
}

// A sparse terabyte moves as fast as what is in it.
static void large(void) {
  size_t bytes = (size_t)1 << 40;
  char* memory = mmap(NULL, bytes, kReadWrite, kAnonymous | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  for (size_t at = 0; at < bytes; at += bytes / 8) write_byte(memory + at, (uint8_t)(at >> 37));
  char* moved = mremap(memory, bytes, bytes, MREMAP_MAYMOVE | kDontUnmap, NULL);
  CHECK(moved != MAP_FAILED);
  for (size_t at = 0; at < bytes; at += bytes / 8) {
    CHECK_EQUAL(read_byte(moved + at), at >> 37);
    CHECK_EQUAL(read_byte(memory + at), 0);
  }
  CHECK(munmap(memory, bytes) == 0 && munmap(moved, bytes) == 0);
  say("a terabyte");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  install_handler(SIGBUS, catch_and_leave, 0);
  errors();
  shrunk();
  moved_to();
  several();
  closed();
  left_behind();
  twice();
  shared_with_parent();
  large();
  return 0;
}
