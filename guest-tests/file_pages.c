// SPDX-License-Identifier: GPL-2.0-or-later
//
// What mappings see of a file that changes under them: truncation, holes, private copies, seals.
#include <fcntl.h>
#include <pthread.h>

#include "areas.h"

#ifndef FALLOC_FL_PUNCH_HOLE
enum { FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2 };
#endif
enum { kAddSeals = 1033, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8, kSealFutureWrite = 16 };

static int new_file(int pages) {
  int fd = memfd_create("file_pages", MFD_ALLOW_SEALING);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, (off_t)pages * kPage) == 0);
  for (int i = 0; i < pages; i++) {
    char page[kPage];
    memset(page, i + 1, kPage);
    CHECK_EQUAL(pwrite(fd, page, kPage, (off_t)i * kPage), kPage);
  }
  return fd;
}

static char* map_file(int fd, int pages, int protection, int flags) {
  char* memory = mmap(NULL, (size_t)pages * kPage, protection, flags, fd, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

// A digit for what each page holds, ! where the end of the file is (SIGBUS).
static void say_pages(const char* what, char* memory, int pages) {
  char map[65];
  for (int i = 0; i < pages; i++) {
    bool raised = RAISES(read_byte(memory + i * kPage));
    if (raised) CHECK(caught.signal == SIGBUS && caught.code == BUS_ADRERR);
    map[i] = raised ? '!' : (char)('0' + read_byte(memory + i * kPage));
  }
  map[pages] = 0;
  say("%-36s %s", what, map);
}

static void child_of_mappings(char* memory) {
  say_pages("a child's shared mapping", memory, 8);
  say_pages("a child's private mapping", memory + 8 * kPage, 8);
}

static void mappings(void (*change)(int), const char* what) {
  int fd = new_file(8);
  char* shared = map_apart(16, PROT_NONE, kAnonymous);
  char* private = shared + 8 * kPage;
  CHECK(mmap(shared, 8 * kPage, kReadWrite, MAP_SHARED | MAP_FIXED, fd, 0) == shared);
  CHECK(mmap(private, 8 * kPage, kReadWrite, MAP_PRIVATE | MAP_FIXED, fd, 0) == private);
  for (int i = 0; i < 8; i++) read_byte(shared + i * kPage);
  for (int i = 0; i < 8; i++) read_byte(private + i * kPage);
  for (int i = 1; i < 8; i += 2)
    write_byte(private + i * kPage, (uint8_t)(i + 1));  // copies of every second page
  int ends[2], ready[2];
  CHECK(pipe(ends) == 0 && pipe(ready) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    char byte;
    for (int i = 0; i < 8; i++) read_byte(shared + i * kPage);
    CHECK_EQUAL(write(ready[1], "", 1), 1);
    CHECK_EQUAL(read(ends[0], &byte, 1), 1);
    child_of_mappings(shared);
    _exit(0);
  }
  char byte;
  CHECK_EQUAL(read(ready[0], &byte, 1), 1);
  change(fd);
  say("%s", what);
  say_pages("the shared mapping", shared, 8);
  say_pages("the private mapping", private, 8);
  CHECK_EQUAL(write(ends[1], "", 1), 1);
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK_EQUAL(status, 0);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0 && close(fd) == 0);
  CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
  unmap_apart(shared, 16);
}

static void shorten(int fd) { CHECK(ftruncate(fd, 4 * kPage + 5) == 0); }
static void shorten_and_grow(int fd) {
  CHECK(ftruncate(fd, 2 * kPage + kPage / 2) == 0);
  CHECK(ftruncate(fd, 6 * kPage) == 0);
}
static void make_hole(int fd) {
  CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * kPage, 3 * kPage) == 0);
}
static void write_over(int fd) {
  CHECK_EQUAL(pwrite(fd, "\7", 1, 2 * kPage), 1);
  CHECK_EQUAL(pwrite(fd, "\7", 1, 3 * kPage), 1);
}

// MADV_REMOVE is a hole made through a mapping.
static void removed(void) {
  char* memory = map_apart(4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  fill_pages(memory, 4);
  char* again = mremap(memory, 0, 4 * kPage, MREMAP_MAYMOVE);
  CHECK(again != MAP_FAILED);
  CHECK_EQUAL(read_byte(again + kPage), 2);
  CHECK(madvise(memory + kPage, 2 * kPage, MADV_REMOVE) == 0);
  say_pages("MADV_REMOVE of two pages", again, 4);
  CHECK(mprotect(memory, kPage, PROT_READ) == 0);
  CHECK(madvise(memory, kPage, MADV_REMOVE) == 0);  // it could be made writable
  CHECK_EQUAL(read_byte(again), 0);
  CHECK(mlock(memory, kPage) == 0);
  CHECK_FAILS(madvise(memory, kPage, MADV_REMOVE), EINVAL);
  CHECK(munmap(again, 4 * kPage) == 0);
  unmap_apart(memory, 4);
  int fd = new_file(1);
  memory = map_file(fd, 1, kReadWrite, MAP_PRIVATE);
  CHECK_FAILS(madvise(memory, kPage, MADV_REMOVE), EACCES);
  CHECK(munmap(memory, kPage) == 0);
  CHECK(close(fd) == 0);
}

// Each area that could write the file keeps F_SEAL_WRITE away, whatever became of it.
static void sealed(void) {
  int fd = new_file(4);
  char* memory = map_file(fd, 4, kReadWrite, MAP_SHARED);
  CHECK_FAILS(fcntl(fd, kAddSeals, kSealWrite), EBUSY);
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);  // three areas
  CHECK(munmap(memory, kPage) == 0);
  CHECK_FAILS(fcntl(fd, kAddSeals, kSealWrite), EBUSY);
  CHECK(munmap(memory + 2 * kPage, 2 * kPage) == 0);
  CHECK_FAILS(fcntl(fd, kAddSeals, kSealWrite), EBUSY);  // the read-only one could become writable
  char* moved = mremap(memory + kPage, kPage, 2 * kPage, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  CHECK(madvise(moved, kPage, MADV_DONTFORK) == 0);
  CHECK(madvise(moved, kPage, MADV_DOFORK) == 0);
  CHECK(munmap(moved, 2 * kPage) == 0);
  char* private = map_file(fd, 4, kReadWrite, MAP_PRIVATE);
  CHECK(fcntl(fd, kAddSeals, kSealWrite) == 0);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED, fd, 0), EPERM);
  CHECK_FAILS(pwrite(fd, "", 1, 0), EPERM);
  write_byte(private, 9);
  say_pages("sealed, a private copy", private, 4);
  CHECK(munmap(private, 4 * kPage) == 0);
  CHECK(close(fd) == 0);

  fd = new_file(2);
  memory = map_file(fd, 2, kReadWrite, MAP_SHARED);
  CHECK(fcntl(fd, kAddSeals, kSealFutureWrite) == 0);
  write_byte(memory, 5);  // older mappings go on
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED, fd, 0), EPERM);
  char* reader = map_file(fd, 2, PROT_READ, MAP_SHARED);
  CHECK_EQUAL(read_byte(reader), 5);
  CHECK_FAILS(mprotect(reader, kPage, kReadWrite), EACCES);
  CHECK(munmap(reader, 2 * kPage) == 0);
  CHECK(munmap(memory, 2 * kPage) == 0);
  CHECK(close(fd) == 0);
  say("sealed against writing");
}

// Threads read and write while the file shrinks and grows and loses pages: each access meets the file, zeros,
// or its end.
static char* volatile contended;
static volatile bool over;

static void* reader(void* argument) {
  uint64_t random = (uintptr_t)argument;
  while (!over) {
    random = random * 6364136223846793005ul + 1442695040888963407ul;
    char* at = contended + (random >> 33) % 8 * kPage;
    // The kernel does the access: what it meets is EFAULT, not a signal.
    int file = (int)(uintptr_t)argument;
    if (random >> 62 == 0) {
      ssize_t done = pwrite(file, at, 1, 8 * kPage);
      CHECK(done == 1 || (done == -1 && errno == EFAULT));
    } else {
      ssize_t done = pread(file, at, 1, 9 * kPage);
      CHECK(done == 1 || (done == -1 && errno == EFAULT));
    }
  }
  return NULL;
}

static void raced(void) {
  int fd = new_file(8), other = new_file(10);
  pthread_t threads[4];
  for (int round = 0; round < 2; round++) {
    contended = map_file(fd, 8, kReadWrite, round == 0 ? MAP_SHARED : MAP_PRIVATE);
    over = false;
    for (int i = 0; i < 4; i++)
      CHECK(pthread_create(&threads[i], NULL, reader, (void*)(uintptr_t)other) == 0);
    for (int i = 0; i < 60; i++) {
      CHECK(ftruncate(fd, (off_t)(i % 7) * kPage) == 0);
      CHECK(ftruncate(fd, 8 * kPage) == 0);
      CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (i % 5) * kPage, 2 * kPage) == 0);
      if (i % 8 == 0) CHECK(madvise(contended, 8 * kPage, MADV_DONTNEED) == 0);
    }
    over = true;
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(munmap(contended, 8 * kPage) == 0);
  }
  CHECK(close(fd) == 0 && close(other) == 0);
  say("raced");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  install_handler(SIGBUS, catch_and_leave, 0);
  mappings(shorten, "shortened to 4 pages and a bit");
  mappings(shorten_and_grow, "shortened to 2 pages and a half, grown to 6");
  mappings(make_hole, "a hole of 3 pages");
  mappings(write_over, "two pages written");
  removed();
  sealed();
  raced();
  return 0;
}
