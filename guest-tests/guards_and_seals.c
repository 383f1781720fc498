// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two ways to make memory safe from mistakes: MADV_GUARD_INSTALL (Linux 6.13) and mseal (6.10). On a Linux
// that has one of them not, its part is left out.
#include <fcntl.h>

#include "areas.h"

enum { kGuardInstall = 102, kGuardRemove = 103, kMseal = 462, kMadviseFree = 8 };

static long seal(char* start, size_t bytes) { return syscall(kMseal, start, bytes, 0); }

// One character for each page: a digit for what it holds, ! where SIGSEGV comes.
static const char* contents(char* memory, int pages) {
  static char map[65];
  for (int i = 0; i < pages; i++) {
    bool raised = RAISES(read_byte(memory + i * kPage));
    if (raised) CHECK_EQUAL(caught.code, SEGV_MAPERR);
    if (raised) CHECK(caught.signal == SIGSEGV && caught.address == (uintptr_t)memory + (uintptr_t)i * kPage);
    map[i] = raised ? '!' : (char)('0' + read_byte(memory + i * kPage));
  }
  map[pages] = 0;
  return map;
}

static void say_contents(const char* what, char* memory) { say("%-28s %s", what, contents(memory, 8)); }

static void child_of_guarded(char* memory) {
  CHECK(madvise(memory + 2 * kPage, kPage, kGuardRemove) == 0);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 0);
  CHECK(RAISES(write_byte(memory + 3 * kPage, 1)));
}

static void child_of_shared(char* memory) { CHECK(RAISES(read_byte(memory))); }

static void guards(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 8);
  if (madvise(memory + 2 * kPage, 3 * kPage, kGuardInstall) != 0) {
    CHECK_EQUAL(errno, EINVAL);
    unmap_apart(memory, 8);
    return;
  }
  CHECK(RAISES(write_byte(memory + 2 * kPage, 1)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  say_contents("guarded", memory);
  say("%-28s %s", "in memory", residency(memory, 8));
  CHECK(one_area(memory, 8));
  CHECK_EQUAL(raw_syscall(SYS_clock_gettime, 0, (long)(memory + 4 * kPage), 0, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(raw_syscall(SYS_nanosleep, (long)(memory + 2 * kPage), 0, 0, 0, 0, 0), -EFAULT);
  in_a_child(child_of_guarded, memory);
  say_contents("after a child removed one", memory);
  CHECK(madvise(memory, 3 * kPage, MADV_DONTNEED) == 0);  // does not take guards
  CHECK(madvise(memory, 3 * kPage, kMadviseFree) == 0);
  say_contents("after MADV_DONTNEED", memory);
  CHECK_FAILS(madvise(memory, 8 * kPage, kPopulateRead), EFAULT);
  CHECK_FAILS(madvise(memory, 8 * kPage, kPopulateWrite), EFAULT);
  CHECK(mprotect(memory, 8 * kPage, PROT_READ) == 0);
  CHECK(mprotect(memory, 8 * kPage, kReadWrite) == 0);
  char* target = map_apart(8, PROT_READ, kAnonymous);
  CHECK(mremap(memory, 8 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
  say_contents("moved", target);
  CHECK(madvise(target + 3 * kPage, 3 * kPage, kGuardRemove) == 0);
  say_contents("some removed", target);
  write_byte(target + 3 * kPage, 9);
  CHECK(madvise(target + 2 * kPage, kPage, kGuardInstall) == 0);  // again: nothing new
  CHECK(mmap(target + 2 * kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == target + 2 * kPage);
  say_contents("mapped over", target);
  CHECK(mlock(target + 6 * kPage, kPage) == 0);
  CHECK_FAILS(madvise(target, 8 * kPage, kGuardInstall), EINVAL);
  CHECK(madvise(target + 6 * kPage, kPage, kGuardRemove) == 0);
  unmap_apart(target, 8);
  // Memory that cannot be written, too: a shared mapping of a file that is open for reading alone.
  int fd = open("/proc/self/exe", O_RDONLY);
  CHECK(fd >= 0);
  target = map_apart(8, PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
  CHECK(mmap(target, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == target);
  CHECK(madvise(target, kPage, kGuardInstall) == 0);
  CHECK(RAISES(read_byte(target)));
  CHECK_EQUAL(caught.signal, SIGSEGV);
  in_a_child(child_of_shared, target);
  CHECK(madvise(target, kPage, kGuardRemove) == 0);
  CHECK_EQUAL(read_byte(target), 0x7f);
  CHECK(close(fd) == 0);
  unmap_apart(target, 8);
  unmap_apart(memory, 8);
  say("guards");
}

static void sealed(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  fill_pages(memory, 8);
  CHECK(syscall(kMseal, memory, 0, 0) == 0);
  CHECK_FAILS(syscall(kMseal, memory, kPage, 1), EINVAL);
  CHECK_FAILS(seal(memory + 1, kPage), EINVAL);
  CHECK_FAILS(seal(memory, (size_t)-kPage), EINVAL);
  CHECK(munmap(memory + 7 * kPage, kPage) == 0);
  CHECK_FAILS(seal(memory + 2 * kPage, 6 * kPage), ENOMEM);  // and nothing is sealed
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_READ) == 0);
  CHECK(seal(memory + 2 * kPage, 2 * kPage) == 0);  // one of them is read-only
  CHECK(seal(memory + 2 * kPage, 2 * kPage) == 0);

  CHECK_FAILS(mprotect(memory + 2 * kPage, kPage, kReadWrite), EPERM);
  CHECK_FAILS(mprotect(memory, 8 * kPage, PROT_READ), EPERM);
  CHECK_FAILS(munmap(memory + 3 * kPage, kPage), EPERM);
  CHECK_FAILS(munmap(memory, 8 * kPage), EPERM);
  CHECK_EQUAL(read_byte(memory), 1);  // nothing is unmapped then
  CHECK_FAILS((long)mmap(memory + kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_FIXED, -1, 0), EPERM);
  CHECK_FAILS((long)mremap(memory + 2 * kPage, kPage, 2 * kPage, MREMAP_MAYMOVE), EPERM);
  CHECK_FAILS(
      (long)mremap(memory + 3 * kPage, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 5 * kPage),
      EPERM);
  CHECK_FAILS((long)mremap(memory, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 3 * kPage), EPERM);
  // What the program may write it may also drop.
  CHECK_FAILS(madvise(memory + 2 * kPage, kPage, MADV_DONTNEED), EPERM);
  CHECK_FAILS(madvise(memory + 2 * kPage, kPage, MADV_DONTFORK), EPERM);
  CHECK_FAILS(madvise(memory + 2 * kPage, kPage, MADV_WIPEONFORK), EPERM);
  CHECK(madvise(memory + 3 * kPage, kPage, MADV_DONTNEED) == 0);
  CHECK(madvise(memory + 2 * kPage, kPage, MADV_WILLNEED) == 0);
  CHECK(mlock(memory + 2 * kPage, 2 * kPage) == 0);
  CHECK(munlock(memory + 2 * kPage, 2 * kPage) == 0);
  write_byte(memory + 3 * kPage, 4);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 3);
  CHECK(munmap(memory + 4 * kPage, 3 * kPage) == 0);
  CHECK(munmap(memory, 2 * kPage) == 0);
}

static void child_of_sealed(char* memory) {
  CHECK_FAILS(munmap(memory, kPage), EPERM);
  CHECK_FAILS(mprotect(memory, kPage, PROT_READ), EPERM);
}

static void seals_in_child(char* memory) {
  sealed();
  memory = map_apart(1, kReadWrite, kAnonymous);
  CHECK(seal(memory, kPage) == 0);
  in_a_child(child_of_sealed, memory);
  uintptr_t heap = (uintptr_t)syscall(SYS_brk, 0);
  uintptr_t page = (heap + kPage - 1) & ~(uintptr_t)(kPage - 1);
  CHECK_EQUAL(syscall(SYS_brk, page + 2 * kPage), page + 2 * kPage);
  CHECK(seal((char*)page, kPage) == 0);
  CHECK_EQUAL(syscall(SYS_brk, page), page + 2 * kPage);  // the heap cannot shrink
  CHECK_EQUAL(syscall(SYS_brk, page + kPage), page + kPage);
  say("seals");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  guards();
  bool known = syscall(kMseal, NULL, 0, 0) == 0;
  if (known) in_a_child(seals_in_child, NULL);
  return 0;
}
