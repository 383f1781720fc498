// SPDX-License-Identifier: GPL-2.0-or-later
//
// How areas are cut and joined again by mmap, munmap, mprotect, madvise, mlock and mremap, and what an
// address space may hold.
#include "areas.h"

#include <sys/resource.h>

static const struct rlimit kUnlimited = {RLIM_INFINITY, RLIM_INFINITY};

// The areas of 8 pages: a bracket around each. Which neighbours are one is all that is asked.
static void say_areas(const char* what, char* memory) {
  char line[40];
  int length = 0;
  for (int i = 0; i < 8; i++) {
    bool joined = i > 0 && one_area(memory + (i - 1) * kPage, 2);
    if (!joined) line[length++] = '[';
    line[length++] = '#';
    bool ends = i == 7 || !one_area(memory + i * kPage, 2);
    if (ends) line[length++] = ']';
  }
  line[length] = 0;
  say("%-28s %s", what, line);
}

static void by_protection(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  say_areas("one area", memory);
  CHECK(mprotect(memory + 2 * kPage, 3 * kPage, PROT_READ) == 0);
  say_areas("the middle protected", memory);
  CHECK(mprotect(memory + 5 * kPage, kPage, PROT_READ) == 0);
  say_areas("and the next page", memory);
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);
  say_areas("and the one before", memory);
  CHECK(mprotect(memory + 3 * kPage, kPage, PROT_NONE) == 0);
  say_areas("a page of it closed", memory);
  CHECK(mprotect(memory, 8 * kPage, PROT_READ) == 0);
  say_areas("all read-only", memory);
  CHECK(mprotect(memory + 7 * kPage, kPage, kReadWrite) == 0);
  CHECK(mprotect(memory, kPage, kReadWrite) == 0);
  say_areas("both ends writable", memory);
  CHECK(mprotect(memory + kPage, 6 * kPage, kReadWrite) == 0);
  say_areas("all writable", memory);
  unmap_apart(memory, 8);
}

static void by_mapping(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  CHECK(munmap(memory + 3 * kPage, 2 * kPage) == 0);
  CHECK(mmap(memory + 3 * kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == memory + 3 * kPage);
  CHECK(mmap(memory + 4 * kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == memory + 4 * kPage);
  say_areas("a hole filled differently", memory);
  CHECK(mmap(memory + 4 * kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == memory + 4 * kPage);
  say_areas("and like its neighbours", memory);
  CHECK(mmap(memory + 2 * kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_FIXED | MAP_NORESERVE, -1, 0) ==
        memory + 2 * kPage);
  say_areas("MAP_NORESERVE", memory);
  CHECK(mmap(memory + 2 * kPage, 2 * kPage, kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        memory + 2 * kPage);
  say_areas("shared memory", memory);
  unmap_apart(memory, 8);
}

static void by_advice(void) {
  static const struct {
    const char* name;
    int set, clear;
  } kAdvice[] = {{"DONTFORK", MADV_DONTFORK, MADV_DOFORK},
                 {"WIPEONFORK", MADV_WIPEONFORK, MADV_KEEPONFORK},
                 {"DONTDUMP", MADV_DONTDUMP, MADV_DODUMP},
                 {"RANDOM", MADV_RANDOM, MADV_NORMAL},
                 {"SEQUENTIAL", MADV_SEQUENTIAL, MADV_NORMAL}};
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  for (size_t i = 0; i < sizeof kAdvice / sizeof *kAdvice; i++) {
    CHECK(madvise(memory + 2 * kPage, 2 * kPage, kAdvice[i].set) == 0);
    CHECK(madvise(memory + 5 * kPage, kPage, kAdvice[i].set) == 0);
    say_areas(kAdvice[i].name, memory);
    CHECK(madvise(memory + 4 * kPage, kPage, kAdvice[i].set) == 0);
    say_areas("  joined", memory);
    CHECK(madvise(memory, 8 * kPage, kAdvice[i].clear) == 0);
    CHECK(one_area(memory, 8));
  }
  // Written first: pages that Linux meets in areas of their own would keep those apart.
  fill_pages(memory, 8);
  CHECK(mlock(memory + kPage, kPage) == 0);
  CHECK(mlock(memory + 6 * kPage + 5, 1) == 0);
  say_areas("mlock", memory);
  CHECK(munlock(memory, 8 * kPage) == 0);
  say_areas("munlock", memory);
  unmap_apart(memory, 8);
}

// A part that moves away and comes back is joined again, when it has not been written: what has been keeps
// its old place in Linux's bookkeeping.
static void by_moving(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  char* away = map_apart(2, PROT_NONE, kAnonymous);
  CHECK(mremap(memory + 3 * kPage, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
  CHECK(mremap(away, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 3 * kPage) ==
        memory + 3 * kPage);
  say_areas("moved there and back", memory);
  CHECK(mremap(memory + 6 * kPage, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
  CHECK(mremap(memory + 5 * kPage, kPage, 2 * kPage, 0) == memory + 5 * kPage);
  say_areas("grown into the gap", memory);
  CHECK(munmap(away - kPage, kPage) == 0);
  CHECK(munmap(away, 3 * kPage) == 0);
  unmap_apart(memory, 8);
}

// Shared mappings of one object join where the offsets go on, and nowhere else.
static void by_offset(void) {
  char* memory = map_apart(8, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  for (int i = 0; i < 8; i++) write_byte(memory + i * kPage, (uint8_t)(i + 1));
  CHECK(mprotect(memory + 2 * kPage, 2 * kPage, PROT_READ) == 0);
  CHECK(mprotect(memory + 2 * kPage, 2 * kPage, kReadWrite) == 0);
  say_areas("shared: cut and joined", memory);
  // A second mapping of page 2 where page 6 was.
  CHECK(mremap(memory + 2 * kPage, 0, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 6 * kPage) ==
        memory + 6 * kPage);
  CHECK_EQUAL(read_byte(memory + 6 * kPage), 3);
  write_byte(memory + 6 * kPage, 99);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 99);
  say_areas("a page twice", memory);
  unmap_apart(memory, 8);
}

static char* reserve(size_t bytes) {
  return mmap(NULL, bytes, kReadWrite, kAnonymous | MAP_NORESERVE, -1, 0);
}

static void limited_data(void) {
  size_t bytes = 32ul << 20;
  struct rlimit limit = {48ul << 20, RLIM_INFINITY};
  char* memory = map_anonymous(bytes, PROT_READ);
  char* code = map_anonymous(bytes, PROT_READ | PROT_EXEC);
  CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
  CHECK(mprotect(memory, bytes, kReadWrite) == 0);
  CHECK_FAILS(mprotect(code, bytes, kReadWrite), ENOMEM);
  CHECK_FAILS((long)reserve(bytes), ENOMEM);
  CHECK_FAILS((long)mremap(memory, bytes, 2 * bytes, MREMAP_MAYMOVE), ENOMEM);
  CHECK(mmap(memory, bytes, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == memory);
  char* shared = mmap(NULL, bytes, kReadWrite, MAP_SHARED | MAP_ANONYMOUS, -1, 0);  // is not data
  CHECK(shared != MAP_FAILED);
  long before = syscall(SYS_brk, 0);
  CHECK_EQUAL(syscall(SYS_brk, before + (long)bytes), before);
  CHECK(mprotect(memory, bytes, PROT_READ) == 0);
  char* other = reserve(bytes);
  CHECK(other != MAP_FAILED);
  CHECK(setrlimit(RLIMIT_DATA, &kUnlimited) == 0);
  CHECK(munmap(memory, bytes) == 0 && munmap(other, bytes) == 0);
  CHECK(munmap(code, bytes) == 0 && munmap(shared, bytes) == 0);
  say("data limited");
}

static void limited_space(void) {
  size_t bytes = 32ul << 20;
  struct rlimit limit = {80ul << 20, RLIM_INFINITY};
  char* memory = map_anonymous(bytes, kReadWrite);
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK_FAILS((long)mremap(memory, bytes, 3 * bytes, MREMAP_MAYMOVE), ENOMEM);
  CHECK_FAILS((long)mremap(memory, bytes, 3 * bytes, 0), ENOMEM);
  CHECK_FAILS((long)mmap(NULL, 2 * bytes, PROT_NONE, kAnonymous, -1, 0), ENOMEM);
  char* moved = mremap(memory, bytes, 2 * bytes, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  CHECK(setrlimit(RLIMIT_AS, &kUnlimited) == 0);
  CHECK(munmap(moved, 2 * bytes) == 0);
  say("address space limited");
}

// Linux's vm.max_map_count: 65530. A change that needs another area is refused at the limit, one that only
// moves a boundary is not.
static void limited_count(char* unused) {
  (void)unused;
  enum { kPages = 140000 };
  char* memory = map_anonymous((size_t)kPages * kPage, PROT_NONE);
  int cut = 0;
  while (cut < kPages / 2 && mprotect(memory + (size_t)cut * 2 * kPage + kPage, kPage, PROT_READ) == 0) cut++;
  CHECK_EQUAL(errno, ENOMEM);
  CHECK(cut > 32700 && cut < 32765);  // two areas each
  char* whole = memory + (size_t)(cut + 8) * 2 * kPage;
  // There may be room for one more, not for two.
  char* last = memory + (size_t)(kPages - 1) * kPage;
  while (mprotect(last, kPage, PROT_READ) == 0 && last > whole) last -= 2 * kPage;
  CHECK_FAILS(mprotect(whole, kPage, PROT_READ), ENOMEM);
  CHECK_FAILS(madvise(whole, kPage, MADV_DONTFORK), EAGAIN);
  CHECK_FAILS(mlock(whole, kPage), ENOMEM);
  CHECK_FAILS(munmap(whole, kPage), ENOMEM);
  // The boundary between two areas moves by a page.
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_READ) == 0);
  CHECK(mprotect(memory, (size_t)kPages * kPage, PROT_NONE) == 0);
  CHECK(mprotect(whole, kPage, PROT_READ) == 0);
  CHECK(munmap(memory, (size_t)kPages * kPage) == 0);
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  by_protection();
  by_mapping();
  by_advice();
  by_moving();
  by_offset();
  limited_data();
  limited_space();
  in_a_child(limited_count, NULL);
  say("number of areas limited");
  return 0;
}
