// SPDX-License-Identifier: GPL-2.0-or-later
//
// madvise: what each advice does to pages, to children, and which it is refused for. Only what Linux promises
// is checked: a page that was given up may still hold what it held.
#include <fcntl.h>

#include "areas.h"

enum { kCollapse = 25 };

static void errors(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  char* shared = map_apart(4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  CHECK_FAILS(madvise(memory, kPage, -1), EINVAL);
  CHECK_FAILS(madvise(memory, kPage, 7), EINVAL);
  CHECK_FAILS(madvise(memory + 1, kPage, MADV_NORMAL), EINVAL);
  CHECK_FAILS(madvise(memory, (size_t)-1, MADV_NORMAL), EINVAL);
  CHECK_FAILS(madvise(memory, (size_t)-kPage, MADV_NORMAL), EINVAL);
  CHECK(madvise(memory, 0, MADV_DONTNEED) == 0);
  CHECK_FAILS(madvise(shared, kPage, MADV_FREE), EINVAL);
  CHECK_FAILS(madvise(shared, kPage, MADV_WIPEONFORK), EINVAL);
  CHECK(madvise(shared, kPage, MADV_KEEPONFORK) == 0);
  CHECK_FAILS(madvise(memory, kPage, MADV_REMOVE), EINVAL);
  CHECK_FAILS(madvise(memory, kPage, kCollapse), EINVAL);  // less than a huge page
  // Known where there is KSM, and its folder tells that there is.
  int merging = access("/sys/kernel/mm/ksm", F_OK);
  CHECK_EQUAL(madvise(memory, kPage, MADV_MERGEABLE), merging);
  CHECK(merging == 0 || errno == EINVAL);
  CHECK_EQUAL(madvise(shared, kPage, MADV_MERGEABLE), merging);
  CHECK_EQUAL(madvise(memory, kPage, MADV_UNMERGEABLE), merging);
  CHECK(merging == 0 || errno == EINVAL);
  CHECK(munmap(memory + kPage, kPage) == 0);
  fill_pages(memory + 2 * kPage, 1);
  CHECK_FAILS(madvise(memory, 4 * kPage, MADV_DONTNEED), ENOMEM);  // and goes on behind the hole
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 0);
  CHECK_FAILS(madvise(memory + kPage, kPage, MADV_WILLNEED), ENOMEM);
  // Another error ends the call: what lies behind is not touched.
  fill_pages(memory + 2 * kPage, 2);
  CHECK(mlock(memory + 2 * kPage, kPage) == 0);
  CHECK_FAILS(madvise(memory, 4 * kPage, MADV_DONTNEED), EINVAL);
  CHECK_EQUAL(read_byte(memory + 3 * kPage), 2);
  unmap_apart(memory, 4);
  unmap_apart(shared, 4);
  say("errors");
}

static void hints(void) {
  static const int kHints[] = {MADV_NORMAL, MADV_RANDOM,     MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DODUMP,
                               MADV_DOFORK, MADV_NOHUGEPAGE, kCold,           kPageOut};
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 6);
  for (size_t i = 0; i < sizeof kHints / sizeof *kHints; i++) {
    CHECK(madvise(memory + kPage, 6 * kPage, kHints[i]) == 0);
    for (int page = 0; page < 8; page++)
      CHECK_EQUAL(read_byte(memory + page * kPage), page < 6 ? page + 1 : 0);
  }
  unmap_apart(memory, 8);
  say("hints");
}

// Each page still holds what it held or zeroes; one that was written after the call keeps it.
static void freed(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 8);
  CHECK(madvise(memory, 8 * kPage, MADV_FREE) == 0);
  write_byte(memory + 2 * kPage, 77);
  for (int i = 0; i < 8; i++) {
    uint8_t first = read_byte(memory + i * kPage), last = read_byte(memory + i * kPage + kPage - 1);
    CHECK(first == (i == 2 ? 77 : last));
    CHECK(last == 0 || last == i + 1);
  }
  unmap_apart(memory, 8);
  say("freed");
}

static void populated(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  CHECK(madvise(memory, 2 * kPage, kPopulateRead) == 0);
  CHECK(madvise(memory + 4 * kPage, 2 * kPage, kPopulateWrite) == 0);
  say("%-24s %s", "populated", residency(memory, 8));
  for (int i = 0; i < 8; i++) CHECK_EQUAL(read_byte(memory + i * kPage), 0);
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_READ) == 0);
  CHECK_FAILS(madvise(memory, 4 * kPage, kPopulateWrite), EINVAL);
  CHECK(madvise(memory, 4 * kPage, kPopulateRead) == 0);
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_NONE) == 0);
  CHECK_FAILS(madvise(memory, 4 * kPage, kPopulateRead), EINVAL);
  CHECK(munmap(memory + 6 * kPage, kPage) == 0);
  CHECK_FAILS(madvise(memory + 5 * kPage, 2 * kPage, kPopulateRead), ENOMEM);
  CHECK_FAILS(madvise(memory + 6 * kPage, 2 * kPage, kPopulateWrite), ENOMEM);
  unmap_apart(memory, 8);
  memory = map_apart(4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  CHECK(madvise(memory + kPage, 2 * kPage, kPopulateWrite) == 0);
  say("%-24s %s", "populated, shared", residency(memory, 4));
  unmap_apart(memory, 4);
}

static void discarded(void) {
  char* memory = map_apart(6, kReadWrite, kAnonymous);
  fill_pages(memory, 6);
  CHECK(madvise(memory + kPage, 2 * kPage, MADV_DONTNEED) == 0);
  say("%-24s %s", "discarded", residency(memory, 6));
  CHECK(mprotect(memory + 3 * kPage, 2 * kPage, PROT_NONE) == 0);
  CHECK(madvise(memory + 3 * kPage, kPage, MADV_DONTNEED) == 0);
  CHECK(mprotect(memory + 3 * kPage, 2 * kPage, kReadWrite) == 0);
  for (int i = 0; i < 6; i++) CHECK_EQUAL(read_byte(memory + i * kPage), i >= 1 && i <= 3 ? 0 : i + 1);
  unmap_apart(memory, 6);
  // A private mapping of what is shared by nobody else: the copies go, too.
  int zero = open("/dev/zero", O_RDWR);
  CHECK(zero >= 0);
  memory = mmap(NULL, 2 * kPage, kReadWrite, MAP_PRIVATE, zero, 0);
  CHECK(memory != MAP_FAILED);
  fill_pages(memory, 2);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(read_byte(memory), 0);
  CHECK_EQUAL(read_byte(memory + kPage), 2);
  CHECK(munmap(memory, 2 * kPage) == 0);
  CHECK(close(zero) == 0);
  // The pages of the program's own file come back as they are in it.
  extern char __executable_start[];
  uint8_t first = read_byte(__executable_start + 1);
  CHECK(madvise(__executable_start, kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(read_byte(__executable_start + 1), first);
}

static void child_of_forks(char* memory) {
  char map[9] = "";
  for (int i = 0; i < 8; i++) {
    bool raised = RAISES(read_byte(memory + i * kPage));
    uint8_t value = raised ? 0 : read_byte(memory + i * kPage);
    CHECK(raised || value == 0 || value == i + 1);
    map[i] = raised ? '.' : value == 0 ? '0' : '#';
  }
  say("%-24s %s", "a child has", map);
  // What was wiped is wiped again for a grandchild, and what the child writes stays its own.
  for (int i = 0; i < 8; i++)
    if (map[i] != '.') memset(memory + i * kPage, i + 1, kPage);
}

static void grandchild(char* memory) {
  child_of_forks(memory);
  in_a_child(child_of_forks, memory);
}

static void forked(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 8);
  CHECK(madvise(memory + kPage, 2 * kPage, MADV_DONTFORK) == 0);
  CHECK(madvise(memory + 4 * kPage, 2 * kPage, MADV_WIPEONFORK) == 0);
  in_a_child(grandchild, memory);
  CHECK(madvise(memory, 8 * kPage, MADV_DOFORK) == 0);
  CHECK(madvise(memory, 5 * kPage, MADV_KEEPONFORK) == 0);
  in_a_child(child_of_forks, memory);
  for (int i = 0; i < 8; i++) CHECK_EQUAL(read_byte(memory + i * kPage), i + 1);
  unmap_apart(memory, 8);
}

// A child that discards what it shares with its parent loses its own view alone.
static void discards_in_child(char* memory) {
  CHECK(madvise(memory, 2 * kPage, MADV_DONTNEED) == 0);
  CHECK(madvise(memory + 2 * kPage, kPage, MADV_FREE) == 0);
  CHECK_EQUAL(read_byte(memory), 0);
  write_byte(memory, 50);
  write_byte(memory + 3 * kPage, 51);
}

static void shared_after_fork(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  fill_pages(memory, 4);
  in_a_child(discards_in_child, memory);
  for (int i = 0; i < 4; i++) CHECK_EQUAL(read_byte(memory + i * kPage), i + 1);
  fill_pages(memory, 4);
  unmap_apart(memory, 4);
  say("a child's discards are its own");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  errors();
  hints();
  freed();
  populated();
  discarded();
  forked();
  shared_after_fork();
  return 0;
}
