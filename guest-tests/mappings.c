// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmap, munmap, mprotect, mremap and madvise: mappings that are split, joined, replaced, moved and refused.
#include <fcntl.h>
#include <sys/resource.h>

#include "check.h"

static const int kReadWrite = PROT_READ | PROT_WRITE;
static const int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

static void fill(char* memory, int pages) {
  for (int i = 0; i < pages; i++) memset(memory + i * kPage, i + 1, kPage);
}

static bool is_there(const char* place) { return !RAISES(read_byte(place)); }

// Says which of the pages are there, and checks that each holds what fill() wrote, as page `first` and
// following.
static void expect_pages(const char* what, const char* memory, int pages, int first) {
  char map[65];
  for (int i = 0; i < pages; i++) {
    bool there = is_there(memory + i * kPage);
    map[i] = there ? '#' : '.';
    if (there) {
      CHECK_EQUAL(read_byte(memory + i * kPage), first + i + 1);
      CHECK_EQUAL(read_byte(memory + i * kPage + kPage - 1), first + i + 1);
    } else {
      CHECK_EQUAL(caught.code, SEGV_MAPERR);
    }
  }
  map[pages] = 0;
  say("%-32s %s", what, map);
}

static void holes(void) {
  char* memory = map_anonymous(16 * kPage, kReadWrite);
  fill(memory, 16);
  expect_pages("16 pages", memory, 16, 0);
  CHECK(munmap(memory + 3 * kPage, 2 * kPage) == 0);
  CHECK(munmap(memory + 9 * kPage, 1) == 0);  // a length is rounded up
  expect_pages("two holes", memory, 16, 0);
  CHECK(munmap(memory + 2 * kPage, 9 * kPage) == 0);  // over both holes
  expect_pages("one hole over both", memory, 16, 0);
  CHECK(munmap(memory + 4 * kPage, kPage) == 0);  // nothing there: not an error
  CHECK(munmap(memory, 2 * kPage) == 0);
  CHECK(munmap(memory + 14 * kPage, 2 * kPage) == 0);
  expect_pages("both ends gone", memory, 16, 0);
  CHECK(munmap(memory, 16 * kPage) == 0);
  expect_pages("all gone", memory, 16, 0);
}

static void replaced(void) {
  char* memory = map_anonymous(6 * kPage, kReadWrite);
  fill(memory, 6);
  CHECK(mmap(memory + 2 * kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == memory + 2 * kPage);
  CHECK_EQUAL(read_byte(memory + 2 * kPage - 1), 2);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 0);
  CHECK_EQUAL(read_byte(memory + 4 * kPage - 1), 0);
  CHECK_EQUAL(read_byte(memory + 4 * kPage), 5);
  CHECK_FAILS((long)mmap(memory, kPage, kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  CHECK_EQUAL(read_byte(memory), 1);
  CHECK(munmap(memory + kPage, kPage) == 0);
  CHECK(mmap(memory + kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0) == memory + kPage);
  // A hint that is taken is passed over, not refused.
  char* elsewhere = mmap(memory, kPage, kReadWrite, kAnonymous, -1, 0);
  CHECK(elsewhere != MAP_FAILED && elsewhere != memory);
  CHECK(munmap(elsewhere, kPage) == 0);
  CHECK(munmap(memory, 6 * kPage) == 0);
  say("replaced mappings");
}

static void refused(void) {
  char* memory = map_anonymous(4 * kPage, kReadWrite);
  CHECK(munmap(memory + 2 * kPage, kPage) == 0);
  CHECK_FAILS((long)mmap(NULL, 0, kReadWrite, kAnonymous, -1, 0), EINVAL);
  CHECK_FAILS((long)mmap(memory + 1, kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0), EINVAL);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_ANONYMOUS, -1, 0),
              EINVAL);  // neither private nor shared
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_PRIVATE, 77, 0), EBADF);
  CHECK_FAILS((long)mmap(NULL, (size_t)-kPage, kReadWrite, kAnonymous, -1, 0), ENOMEM);
  CHECK_FAILS(munmap(memory + 1, kPage), EINVAL);
  CHECK_FAILS(munmap(memory, 0), EINVAL);
  CHECK_FAILS(munmap((void*)0x7fffffffe000, (size_t)1 << 40), EINVAL);
  CHECK_FAILS(syscall(SYS_mprotect, memory + 1, kPage, PROT_READ), EINVAL);  // musl's own rounds down
  CHECK(mprotect(memory, 0, PROT_READ) == 0);
  CHECK_FAILS(mprotect(memory, kPage, 0x100), EINVAL);
  CHECK_FAILS(mprotect(memory + 2 * kPage, kPage, PROT_READ), ENOMEM);
  CHECK_FAILS(madvise(memory + 1, kPage, MADV_DONTNEED), EINVAL);
  CHECK_FAILS(madvise(memory, kPage, 9999), EINVAL);
  CHECK_FAILS(madvise(memory, 4 * kPage, MADV_DONTNEED), ENOMEM);
  CHECK_FAILS((long)mremap(memory + 1, kPage, 2 * kPage, MREMAP_MAYMOVE), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, 0, MREMAP_MAYMOVE), EINVAL);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, 0x100), EINVAL);
  CHECK_FAILS((long)mremap(memory + 2 * kPage, kPage, 2 * kPage, MREMAP_MAYMOVE), EFAULT);
  CHECK_FAILS((long)mremap(memory, 4 * kPage, 8 * kPage, MREMAP_MAYMOVE), EFAULT);
  CHECK(munmap(memory, 4 * kPage) == 0);
  say("refused with Linux's errors");
}

// mprotect over a hole changes what lies before it, then fails.
static void mprotect_over_a_hole(void) {
  char* memory = map_anonymous(4 * kPage, kReadWrite);
  fill(memory, 4);
  CHECK(munmap(memory + 2 * kPage, kPage) == 0);
  CHECK_FAILS(mprotect(memory, 4 * kPage, PROT_READ), ENOMEM);
  CHECK(RAISES(write_byte(memory + kPage, 9)));
  CHECK_EQUAL(caught.code, SEGV_ACCERR);
  write_byte(memory + 3 * kPage, 4);
  CHECK(munmap(memory, 4 * kPage) == 0);
  say("mprotect over a hole");
}

// Many changes of protection split a mapping into pieces; setting it back lets one mremap take them as one
// again.
static void split_and_joined(void) {
  char* memory = map_anonymous(32 * kPage, kReadWrite);
  fill(memory, 32);
  for (int i = 1; i < 32; i += 2) CHECK(mprotect(memory + i * kPage, kPage, PROT_READ) == 0);
  for (int i = 0; i < 32; i++) {
    CHECK_EQUAL(RAISES(write_byte(memory + i * kPage, (uint8_t)(i + 1))), i % 2);
    CHECK_EQUAL(read_byte(memory + i * kPage), i + 1);
  }
  CHECK_FAILS((long)mremap(memory, 32 * kPage, 64 * kPage, MREMAP_MAYMOVE), EFAULT);  // several mappings
  CHECK(mprotect(memory, 32 * kPage, kReadWrite) == 0);
  char* moved = mremap(memory, 32 * kPage, 64 * kPage, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  expect_pages("split, joined and moved", moved, 32, 0);
  CHECK_EQUAL(read_byte(moved + 32 * kPage), 0);
  CHECK_EQUAL(read_byte(moved + 64 * kPage - 1), 0);
  CHECK(munmap(moved, 64 * kPage) == 0);
}

static void remapped(void) {
  char* area = map_anonymous(64 * kPage, PROT_NONE);
  CHECK(munmap(area, 64 * kPage) == 0);  // addresses that are free, one after the other
  char* memory = mmap(area, 8 * kPage, kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(memory == area);
  fill(memory, 8);
  CHECK(mremap(memory, 8 * kPage, 4 * kPage, 0) == memory);
  expect_pages("shrunk", memory, 8, 0);
  CHECK(mremap(memory, 4 * kPage, 6 * kPage, 0) == memory);
  CHECK_EQUAL(read_byte(memory + 4 * kPage), 0);
  CHECK_EQUAL(read_byte(memory + 4 * kPage - 1), 4);
  fill(memory, 6);

  char* obstacle = mmap(area + 6 * kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(obstacle == area + 6 * kPage);
  CHECK_FAILS((long)mremap(memory, 6 * kPage, 8 * kPage, 0), ENOMEM);
  char* target = area + 32 * kPage;
  CHECK(mremap(memory, 6 * kPage, 10 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
  expect_pages("moved away", memory, 6, 0);
  expect_pages("moved to", target, 6, 0);
  CHECK_EQUAL(read_byte(target + 9 * kPage), 0);
  // A part moves over something else, which is gone then.
  CHECK(mremap(target + kPage, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target + 3 * kPage) ==
        target + 3 * kPage);
  CHECK(is_there(target) && !is_there(target + kPage) && !is_there(target + 2 * kPage));
  CHECK_EQUAL(read_byte(target + 3 * kPage), 2);
  CHECK_EQUAL(read_byte(target + 4 * kPage), 3);
  CHECK_EQUAL(read_byte(target + 5 * kPage), 6);
  CHECK_FAILS((long)mremap(target + 3 * kPage, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
                           target + 4 * kPage),
              EINVAL);  // onto itself
  CHECK(munmap(area, 64 * kPage) == 0);
  say("remapped");
}

static void discarded(void) {
  char* memory = map_anonymous(8 * kPage, kReadWrite);
  fill(memory, 8);
  CHECK(madvise(memory + 2 * kPage, 3 * kPage, MADV_DONTNEED) == 0);
  for (int i = 0; i < 8; i++) CHECK_EQUAL(read_byte(memory + i * kPage + 5), i >= 2 && i < 5 ? 0 : i + 1);
  CHECK(mprotect(memory, 8 * kPage, PROT_READ) == 0);
  CHECK(madvise(memory, 2 * kPage, MADV_DONTNEED) == 0);  // read-only memory too
  CHECK_EQUAL(read_byte(memory), 0);
  CHECK_EQUAL(read_byte(memory + 5 * kPage), 6);
  CHECK(munmap(memory, 8 * kPage) == 0);
  say("discarded");
}

// Files end at 2^63 bytes; devices and memory without a file end nowhere.
static void far_offsets(void) {
  int file = memfd_create("far", 0), zero = open("/dev/zero", O_RDWR);
  CHECK(file >= 0 && zero >= 0);
  const off_t end = 0x7ffffffffffff000;
  for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
    CHECK_FAILS((long)mmap(NULL, kPage, PROT_READ, flags, file, end), EOVERFLOW);
    CHECK_FAILS((long)mmap(NULL, 2 * kPage, PROT_READ, flags, file, end - kPage), EOVERFLOW);
    CHECK_FAILS((long)mmap(NULL, kPage, PROT_READ, flags, file, INT64_MIN), EOVERFLOW);
    char* last = mmap(NULL, kPage, PROT_READ, flags, file, end - kPage);
    CHECK(last != MAP_FAILED && munmap(last, kPage) == 0);
  }
  char* device = mmap(NULL, kPage, PROT_READ, MAP_PRIVATE, zero, end);
  CHECK(device != MAP_FAILED && munmap(device, kPage) == 0);
  close(file), close(zero);
  say("offsets at the end of files");
}

static void shared_anonymous(void) {
  char* memory = mmap(NULL, 4 * kPage, kReadWrite, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0), EINVAL);
  CHECK_EQUAL(read_byte(memory + kPage), 0);
  fill(memory, 4);
  expect_pages("shared anonymous memory", memory, 4, 0);
  CHECK(madvise(memory, 2 * kPage, MADV_DONTNEED) == 0);  // the pages stay: only the mapping forgets them
  expect_pages("and what madvise does not take", memory, 4, 0);
  CHECK(munmap(memory, 4 * kPage) == 0);
}

static void many(void) {
  enum { kMany = 500 };
  static char* all[kMany];
  for (int i = 0; i < kMany; i++) {
    all[i] = map_anonymous(kPage * (1 + (size_t)i % 3), i % 2 == 0 ? kReadWrite : PROT_READ);
    if (i % 2 == 0) write_byte(all[i], (uint8_t)i);
  }
  for (int i = 0; i < kMany; i += 3) CHECK(munmap(all[i], kPage * (1 + (size_t)i % 3)) == 0);
  for (int i = 0; i < kMany; i++) {
    if (i % 3 != 0) CHECK_EQUAL(read_byte(all[i]), i % 2 == 0 ? i & 255 : 0);
  }
  for (int i = 0; i < kMany; i++) CHECK(munmap(all[i], kPage * (1 + (size_t)i % 3)) == 0);
  say("many mappings");
}

// What a call replaces or moves is not charged a second time.
static void limits(void) {
  const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  struct rlimit limit = {100ul << 20, RLIM_INFINITY};
  size_t bytes = 64ul << 20;
  char* memory = map_anonymous(bytes, kReadWrite);
  char* other = map_anonymous(bytes, PROT_NONE);
  CHECK(munmap(other, bytes) == 0);
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(mmap(memory, bytes, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
  CHECK(mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
  CHECK_FAILS((long)mmap(NULL, bytes, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
  CHECK(setrlimit(RLIMIT_AS, &unlimited) == 0);
  CHECK(munmap(other, bytes) == 0);
  say("address space limited");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  holes();
  replaced();
  refused();
  mprotect_over_a_hole();
  split_and_joined();
  remapped();
  discarded();
  far_offsets();
  shared_anonymous();
  many();
  limits();
  return 0;
}
