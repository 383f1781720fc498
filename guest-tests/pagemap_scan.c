// SPDX-License-Identifier: GPL-2.0-or-later
//
// The PAGEMAP_SCAN ioctl: its errors, categories, limits, and write-protecting what it reports, together with
// userfaultfd's WP_ASYNC.
#include "uffd.h"

enum { kWpMatching = 1, kCheckWpAsync = 2 };
enum {
  kWpAllowed = 1 << 0,
  kWritten = 1 << 1,
  kFile = 1 << 2,
  kPresent = 1 << 3,
  kZeroPage = 1 << 5,
  kGuard = 1 << 8,
};
struct Scan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t inverted, mask, any_mask, return_mask;
};
struct Region {
  uint64_t start, end, categories;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct Scan)

static int pagemap;
static char* memory;
static struct Region regions[16];

static struct Scan scan_of(int first, int pages, uint64_t mask) {
  struct Scan scan = {.size = sizeof scan,
                      .start = (uintptr_t)memory + first * kPage,
                      .end = (uintptr_t)memory + (first + pages) * kPage,
                      .vec = (uintptr_t)regions,
                      .vec_len = 16,
                      .mask = mask,
                      .return_mask = kWritten | kFile | kPresent | kZeroPage};
  memset(regions, 0, sizeof regions);
  return scan;
}

// The region covers `count` pages from `first` on.
static void check_region(int index, int first, int count, uint64_t categories) {
  CHECK_EQUAL((regions[index].start - (uintptr_t)memory) / kPage, first);
  CHECK_EQUAL((regions[index].end - regions[index].start) / kPage, count);
  CHECK_EQUAL(regions[index].categories, categories);
}

static int try_with(struct Scan scan) { return ioctl(pagemap, PAGEMAP_SCAN, &scan); }

static void test_errors(void) {
  struct Scan scan = scan_of(0, 8, 0);
  CHECK_FAILS(ioctl(pagemap, PAGEMAP_SCAN, NULL), EFAULT);
  scan.size = 95;
  CHECK_FAILS(try_with(scan), EINVAL);
  scan = scan_of(0, 8, 0);
  scan.flags = 4;
  CHECK_FAILS(try_with(scan), EINVAL);
  scan = scan_of(0, 8, 1ul << 40);
  CHECK_FAILS(try_with(scan), EINVAL);
  scan = scan_of(0, 8, 0);
  ++scan.start;
  CHECK_FAILS(try_with(scan), EINVAL);
  scan = scan_of(0, 8, 0);
  scan.end = 1ul << 63;
  CHECK_FAILS(try_with(scan), EFAULT);
  scan = scan_of(0, 8, 0);
  scan.vec = 0;
  CHECK_FAILS(try_with(scan), EINVAL);
  scan = scan_of(0, 8, 0);
  scan.vec = 1ul << 63;
  CHECK_FAILS(try_with(scan), EFAULT);
  scan = scan_of(0, 8, 0);
  scan.flags = kCheckWpAsync;
  CHECK_FAILS(try_with(scan), EPERM);
  CHECK_FAILS(ioctl(pagemap, _IO('f', 17), 0), EINVAL);
  say("errors");
}

static void test_categories(void) {
  memory[0] = 1;
  memory[1 * kPage] = 1;
  read_byte(memory + 2 * kPage);
  memory[5 * kPage] = 1;
  struct Scan scan = scan_of(0, 8, kPresent);
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 3);
  check_region(0, 0, 2, kPresent | kWritten);
  check_region(1, 2, 1, kPresent | kWritten | kZeroPage);
  check_region(2, 5, 1, kPresent | kWritten);
  CHECK_EQUAL((scan.walk_end - (uintptr_t)memory) / kPage, 8);

  scan = scan_of(0, 8, kPresent);
  scan.max_pages = 1;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 0, 1, kPresent | kWritten);
  CHECK_EQUAL((scan.walk_end - (uintptr_t)memory) / kPage, 1);
  scan = scan_of(0, 8, kPresent);
  scan.vec_len = 1;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 0, 2, kPresent | kWritten);
  CHECK_EQUAL((scan.walk_end - (uintptr_t)memory) / kPage, 2);

  scan = scan_of(0, 8, kPresent);  // what is not there
  scan.inverted = kPresent;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 2);
  check_region(0, 3, 2, kWritten);
  check_region(1, 6, 2, kWritten);
  scan = scan_of(0, 8, 0);
  scan.any_mask = kZeroPage | kFile;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 2, 1, kPresent | kWritten | kZeroPage);
  say("categories");
}

static void test_async(void) {
  int fd = uffd_new(0, UFFD_FEATURE_WP_ASYNC);
  CHECK(uffd_register(fd, memory, 8 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  CHECK(uffd_protect(fd, memory, 8 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  struct Scan scan = scan_of(0, 8, kWritten);
  scan.flags = kCheckWpAsync | kWpMatching;
  scan.return_mask = kWritten;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 0);
  memory[1 * kPage] = 2;
  memory[2 * kPage] = 2;  // was the page of zeros
  memory[6 * kPage] = 2;  // was not there
  for (int round = 0; round < 2; ++round) {
    scan = scan_of(0, 8, kWritten);
    scan.flags = kCheckWpAsync | kWpMatching;
    scan.return_mask = kWritten;
    CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), round == 0 ? 2 : 0);
    if (round != 0) break;
    check_region(0, 1, 2, kWritten);
    check_region(1, 6, 1, kWritten);
  }
  memory[0] = 3;
  scan = scan_of(0, 8, kWritten | kPresent);
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 0, 1, kWritten | kPresent);
  scan = scan_of(0, 8, kWritten);  // only protects
  scan.flags = kWpMatching;
  scan.vec = scan.vec_len = 0;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 0);
  scan = scan_of(0, 8, kWritten | kPresent);
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 0);
  scan = scan_of(0, 8, kWpAllowed);
  scan.return_mask = kWpAllowed;
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 0, 8, kWpAllowed);
  // The kernel's writes count as well.
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], "a", 1) == 1 &&
        read(pipe_fds[0], memory + 5 * kPage, 1) == 1);
  scan = scan_of(0, 8, kWritten | kPresent);
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 5, 1, kWritten | kPresent);
  close(fd);
  say("WP_ASYNC");
}

// What is written ahead is written; a guard is protected, and stays a guard.
static void test_ahead(void) {
  enum { kGuardInstall = 102, kPopulateWrite = 23, kFree = 8 };
  char* whole = memory;
  memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  memory[4 * kPage] = memory[5 * kPage] = 1;
  int fd = uffd_new(0, UFFD_FEATURE_WP_ASYNC);
  CHECK(uffd_register(fd, memory, 8 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  CHECK(madvise(memory + 3 * kPage, kPage, kGuardInstall) == 0);
  CHECK(uffd_protect(fd, memory, 8 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(madvise(memory, kPage, kPopulateWrite) == 0);
  CHECK(mlock(memory + kPage, kPage) == 0);
  CHECK(madvise(memory + 4 * kPage, 2 * kPage, kFree) == 0);  // stays protected
  for (int round = 0; round < 2; ++round) {
    struct Scan scan = scan_of(0, 8, kWritten);
    scan.flags = kCheckWpAsync | kWpMatching;
    scan.return_mask = kWritten | kGuard;
    CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), round == 0 ? 2 : 0);
    if (round != 0) break;
    check_region(0, 0, 2, kWritten);
    check_region(1, 3, 1, kWritten | kGuard);
  }
  memory[5 * kPage] = 2;
  struct Scan scan = scan_of(0, 8, kWritten);
  CHECK_EQUAL(ioctl(pagemap, PAGEMAP_SCAN, &scan), 1);
  check_region(0, 5, 1, kWritten | kPresent);
  close(fd);
  munmap(memory, 8 * kPage);
  memory = whole;
  say("written ahead, guards, freed");
}

int main(void) {
  pagemap = open("/proc/self/pagemap", O_RDONLY);
  CHECK(pagemap >= 0);
  memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  test_errors();
  test_categories();
  if (uffd_offered() & UFFD_FEATURE_WP_ASYNC) {
    test_async();
    test_ahead();
  } else {
    say("WP_ASYNC");
    say("written ahead, guards, freed");
  }
  return 0;
}
