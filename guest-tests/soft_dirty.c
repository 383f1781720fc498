// SPDX-License-Identifier: GPL-2.0-or-later
//
// Soft-dirty tracking: /proc/self/clear_refs and bit 55 of /proc/self/pagemap. Never is less told than was
// written. Where the kernel is built without it (no page ever has the bit) the lines are printed all the
// same.
#include <fcntl.h>
#include <sys/wait.h>

#include "check.h"

enum { kPages = 8 };

static int pagemap;
static int clear_refs;
static bool available;
static char* memory;

static uint64_t pagemap_word(const char* address) {
  uint64_t word;
  CHECK(pread(pagemap, &word, 8, (off_t)((uintptr_t)address / kPage * 8)) == 8);
  return word;
}

static bool is_dirty(const char* address) { return pagemap_word(address) >> 55 & 1; }

static void clear(void) { CHECK(write(clear_refs, "4", 1) == 1); }

// The pages that have the bit, as bits.
static void expect(const char* start, unsigned dirty) {
  if (!available) return;
  unsigned seen = 0;
  for (int i = 0; i < kPages; ++i) seen |= (unsigned)is_dirty(start + i * kPage) << i;
  CHECK_EQUAL(seen, dirty);
}

static void set_up(void) {
  memory = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  expect(memory, 0xff);  // what is new is dirty, whether touched or not
  memset(memory, 1, 4 * kPage);
  clear();
  expect(memory, 0);
}

static void test_writes(void) {
  set_up();
  read_byte(memory + 1 * kPage);
  read_byte(memory + 4 * kPage);
  expect(memory, 0);
  memory[2 * kPage] = 5;
  memory[4 * kPage] = 5;  // where the page of zeros is
  memory[5 * kPage] = 5;  // where nothing is
  expect(memory, 1 << 2 | 1 << 4 | 1 << 5);
  clear();
  expect(memory, 0);
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], "xyz", 3) == 3);
  CHECK(read(pipe_fds[0], memory + kPage, 3) == 3);       // the kernel writes
  CHECK(write(pipe_fds[1], memory + 2 * kPage, 3) == 3);  // and reads
  expect(memory, 1 << 1);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  say("writes");
}

static void test_protection(void) {
  clear();
  CHECK(mprotect(memory, 4 * kPage, PROT_READ) == 0);
  CHECK(mprotect(memory, 4 * kPage, PROT_READ | PROT_WRITE) == 0);
  expect(memory, 0);
  memory[kPage] = 7;  // must fault although the area allows writing again
  expect(memory, 1 << 1);
  CHECK(madvise(memory + kPage, kPage, MADV_DONTNEED) == 0);
  memory[kPage] = 7;
  expect(memory, 1 << 1);
  say("mprotect, madvise");
}

static void test_fork(void) {
  clear();
  memory[0] = 2;
  pid_t child = fork();
  if (child == 0) {
    int own = open("/proc/self/pagemap", O_RDONLY);
    pagemap = own;
    CHECK(own >= 0);
    expect(memory, 1);
    memory[3 * kPage] = 2;
    expect(memory, 1 | 1 << 3);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  expect(memory, 1);
  memory[3 * kPage] = 3;
  expect(memory, 1 | 1 << 3);
  say("fork");
}

static void test_mremap(void) {
  clear();
  char* to = map_anonymous(kPages * kPage, PROT_NONE);
  char* moved = mremap(memory, kPages * kPage, kPages * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  CHECK(moved == to);
  if (available)
    for (int i = 0; i < 4; ++i) CHECK(is_dirty(moved + i * kPage));
  memory = moved;
  clear();
  expect(memory, 0);
  memory[kPage] = 3;
  expect(memory, 1 << 1);
  say("mremap");
}

static void test_merge(void) {
  // A new area beside one that is tracked: they become one, and nothing is lost.
  clear();
  CHECK(munmap(memory + 4 * kPage, 4 * kPage) == 0);
  char* again = mmap(memory + 4 * kPage, 4 * kPage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(again == memory + 4 * kPage);
  if (available)
    for (int i = 4; i < 8; ++i) CHECK(is_dirty(memory + i * kPage));
  memory[0] = 1;
  if (available) CHECK(is_dirty(memory));
  clear();
  expect(memory, 0);
  memory[0] = 2;
  memory[7 * kPage] = 2;
  expect(memory, 1 | 1 << 7);
  say("merge");
}

static void test_shared(void) {
  int file = memfd_create("test", 0);
  CHECK(file >= 0 && ftruncate(file, kPages * kPage) == 0);
  char* shared = mmap(NULL, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(shared != MAP_FAILED);
  shared[0] = 1;
  clear();
  read_byte(shared + kPage);  // mapped while tracked
  expect(shared, 0);
  shared[kPage] = 1;
  shared[2 * kPage] = 1;
  expect(shared, 1 << 1 | 1 << 2);
  munmap(shared, kPages * kPage);
  close(file);
  say("shared memory");
}

static void test_clear_refs(void) {
  CHECK_FAILS(write(clear_refs, "0", 1), EINVAL);
  CHECK_FAILS(write(clear_refs, "6", 1), EINVAL);
  CHECK_FAILS(write(clear_refs, "x", 1), EINVAL);
  CHECK_FAILS(write(clear_refs, "", 0), EINVAL);
  CHECK_FAILS(syscall(SYS_write, clear_refs, NULL, 1), EFAULT);
  CHECK(write(clear_refs, "1\n", 2) == 2);
  CHECK(write(clear_refs, "2", 1) == 1);
  CHECK(write(clear_refs, " 3 ", 3) == 3);
  CHECK(write(clear_refs, "5", 1) == 1);
  char byte;
  CHECK_FAILS(read(clear_refs, &byte, 1), EBADF);
  say("clear_refs");
}

int main(void) {
  pagemap = open("/proc/self/pagemap", O_RDONLY);
  clear_refs = open("/proc/self/clear_refs", O_WRONLY);
  CHECK(pagemap >= 0 && clear_refs >= 0);
  char* fresh = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  *fresh = 1;
  available = is_dirty(fresh);
  test_writes();
  test_protection();
  test_fork();
  test_mremap();
  test_merge();
  test_shared();
  test_clear_refs();
  return 0;
}
