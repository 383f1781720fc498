// SPDX-License-Identifier: GPL-2.0-or-later
//
// How often a page is mapped, as all files tell it that do: bit 56 of /proc/self/pagemap, smaps,
// /proc/kpagecount and /proc/kpageflags. Mappings count, and nothing else that refers to a page: no pipe that
// it was spliced into, no page cache, no copy of a process that is gone. Where frame numbers are not told (no
// CAP_SYS_ADMIN) only the first two are looked at; the lines are printed all the same.
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <sched.h>
#include <sys/uio.h>

#include "children.h"

static int pagemap, kpagecount = -1, kpageflags = -1;

static uint64_t word_at(int fd, uint64_t index) {
  uint64_t word;
  CHECK(pread(fd, &word, 8, (off_t)(index * 8)) == 8);
  return word;
}

static uint64_t pagemap_word(const char* page) { return word_at(pagemap, (uintptr_t)page / kPage); }
static uint64_t frame_of(const char* page) { return pagemap_word(page) & ((1ull << 55) - 1); }

static uint64_t flags_of(const char* page) { return word_at(kpageflags, frame_of(page)); }
static bool has_flag(const char* page, int flag) { return flags_of(page) >> flag & 1; }

// The figure of smaps, in kB, for the area of that page.
static long in_smaps(const char* page, const char* key) {
  static char line[4096];
  long value = -1;
  bool inside = false;
  FILE* file = fopen("/proc/self/smaps", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      inside = start <= (uintptr_t)page && (uintptr_t)page < end;
    else if (inside && strncmp(line, key, strlen(key)) == 0)
      value = strtol(line + strlen(key), NULL, 10);
  }
  CHECK(fclose(file) == 0);
  return value;
}

// A page that is alone in its area.
static char* lone_page(int flags, int fd) {
  char* around = map_anonymous(3 * kPage, PROT_NONE);
  char* page = mmap(around + kPage, kPage, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
  CHECK(page == around + kPage);
  return page;
}

static void expect_mappings(const char* page, unsigned mappings) {
  CHECK_EQUAL(pagemap_word(page) >> 56 & 1, mappings == 1);
  CHECK_EQUAL(in_smaps(page, "Rss:"), 4);
  CHECK_EQUAL(in_smaps(page, "Pss:"), 4 / mappings);
  CHECK_EQUAL(in_smaps(page, "Private_Dirty:") + in_smaps(page, "Private_Clean:"), mappings == 1 ? 4 : 0);
  CHECK_EQUAL(in_smaps(page, "Shared_Dirty:") + in_smaps(page, "Shared_Clean:"), mappings == 1 ? 0 : 4);
  if (kpagecount >= 0) CHECK_EQUAL(word_at(kpagecount, frame_of(page)), mappings);
}

static void splice_in(int pipe_end, char* page) {
  struct iovec part = {page, kPage};
  CHECK(vmsplice(pipe_end, &part, 1, 0) == kPage);
}

static void test_anonymous(void) {
  static char sink[kPage];
  char* page = lone_page(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  *page = 1;
  expect_mappings(page, 1);
  int stuffed[2], go[2];
  CHECK(pipe(stuffed) == 0 && pipe(go) == 0);
  splice_in(stuffed[1], page);
  expect_mappings(page, 1);
  CHECK(read(stuffed[0], sink, kPage) == kPage);

  pid_t child = checked_fork();
  if (child == 0) {
    CHECK(close(go[1]) == 0 && read(go[0], sink, 1) == 0);
    _exit(0);
  }
  expect_mappings(page, 2);
  CHECK(close(go[1]) == 0);
  CHECK_EXITS(child, 0);
  expect_mappings(page, 1);

  // The child's copy leaves the frame to its parent.
  child = checked_fork();
  if (child == 0) {
    *page = 2;
    expect_mappings(page, 1);
    _exit(0);
  }
  CHECK_EXITS(child, 0);
  expect_mappings(page, 1);
  CHECK_EQUAL(*page, 1);
  say("anonymous pages");
}

static void test_files(void) {
  int fd = memfd_create("pages", 0);
  CHECK(fd >= 0 && ftruncate(fd, kPage) == 0);
  char* page = lone_page(MAP_SHARED, fd);
  *page = 1;
  expect_mappings(page, 1);
  char* again = lone_page(MAP_SHARED, fd);
  *again = 2;
  expect_mappings(page, 2);
  char* copy = lone_page(MAP_PRIVATE, fd);
  read_byte(copy);
  CHECK_EQUAL(pagemap_word(page) >> 56 & 1, 0);
  CHECK_EQUAL(in_smaps(page, "Pss:"), 1);  // a third
  *copy = 3;
  expect_mappings(copy, 1);
  expect_mappings(page, 2);
  CHECK(munmap(again, kPage) == 0);
  expect_mappings(page, 1);
  int stuffed[2];
  CHECK(pipe(stuffed) == 0);
  splice_in(stuffed[1], page);
  loff_t offset = 0;
  CHECK(splice(fd, &offset, stuffed[1], NULL, kPage, 0) == kPage);
  expect_mappings(page, 1);
  say("pages of files");
}

static void test_many(void) {
  enum { kMany = 700 };
  char* memory = map_anonymous(kMany * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 1, kMany * kPage);
  int go[2];
  CHECK(pipe(go) == 0);
  pid_t child = checked_fork();
  if (child == 0) {
    char byte;
    for (int i = 0; i < kMany; i += 3) memory[i * kPage] = 2;
    CHECK(read(go[0], &byte, 1) == 1);
    _exit(0);
  }
  static uint64_t words[kMany];
  int shared = -1;
  for (int tries = 0; shared != kMany - (kMany + 2) / 3; ++tries) {  // the child has to get so far
    CHECK(tries < 10000);
    sched_yield();
    CHECK(pread(pagemap, words, sizeof words, (off_t)((uintptr_t)memory / kPage * 8)) == sizeof words);
    shared = 0;
    for (int i = 0; i < kMany; ++i) shared += !(words[i] >> 56 & 1);
  }
  for (int i = 0; i < kMany; ++i) CHECK_EQUAL(words[i] >> 56 & 1, i % 3 == 0);
  CHECK_EQUAL(in_smaps(memory, "Shared_Dirty:") >= shared * 4, true);
  CHECK(write(go[1], "", 1) == 1);
  CHECK_EXITS(child, 0);
  say("many pages");
}

static void test_flags(void) {
  char* page = lone_page(MAP_PRIVATE | MAP_ANONYMOUS, -1);
  read_byte(page);  // the page of zeros, which is no mapping of anything
  CHECK_EQUAL(pagemap_word(page) >> 56 & 1, 0);
  if (kpageflags >= 0) {
    CHECK(has_flag(page, KPF_ZERO_PAGE) && !has_flag(page, KPF_ANON));
    CHECK_EQUAL(word_at(kpagecount, frame_of(page)), 0);
    *page = 1;
    CHECK(has_flag(page, KPF_ANON) && has_flag(page, KPF_MMAP) && has_flag(page, KPF_SWAPBACKED));
    CHECK(has_flag(page, KPF_UPTODATE) && !has_flag(page, KPF_ZERO_PAGE) && !has_flag(page, KPF_BUDDY));
    int fd = memfd_create("page", 0);
    CHECK(fd >= 0 && ftruncate(fd, kPage) == 0);
    char* shared = lone_page(MAP_SHARED, fd);
    *shared = 1;
    CHECK(!has_flag(shared, KPF_ANON) && has_flag(shared, KPF_MMAP) && has_flag(shared, KPF_SWAPBACKED));
  }
  say("flags");
}

// All of memory: page tables are there, and free frames.
static void test_whole_files(void) {
  static uint64_t words[8192];
  long tables = 0, free_frames = 0, frames = 0;
  ssize_t bytes = 0;
  while (kpageflags >= 0 && (bytes = read(kpageflags, words, sizeof words)) > 0) {
    for (ssize_t i = 0; i < bytes / 8; ++i) {
      tables += words[i] >> KPF_PGTABLE & 1;
      free_frames += words[i] >> KPF_BUDDY & 1;
    }
    frames += bytes / 8;
  }
  CHECK(bytes == 0);
  if (kpageflags >= 0) {
    CHECK(tables >= 4 && free_frames > 1000 && frames > free_frames);
    CHECK(pread(kpagecount, words, 8, frames * 8) == 0);
    CHECK_FAILS(pread(kpagecount, words, 8, 4), EINVAL);
    CHECK_FAILS(pread(kpageflags, words, 12, 0), EINVAL);
    CHECK_FAILS(pread(kpageflags, map_anonymous(kPage, PROT_NONE), 8, 0), EFAULT);
  }
  say("whole files");
}

int main(void) {
  pagemap = open("/proc/self/pagemap", O_RDONLY);
  CHECK(pagemap >= 0);
  static char own[kPage];
  own[0] = 1;
  if (frame_of(own) != 0) {
    kpagecount = open("/proc/kpagecount", O_RDONLY);
    kpageflags = open("/proc/kpageflags", O_RDONLY);
    CHECK(kpagecount >= 0 && kpageflags >= 0);
    CHECK_FAILS(lseek(kpagecount, 0, SEEK_END), EINVAL);
    CHECK_FAILS(lseek(kpageflags, 0, SEEK_END), EINVAL);
  }
  test_anonymous();
  test_files();
  test_many();
  test_flags();
  test_whole_files();
  return 0;
}
