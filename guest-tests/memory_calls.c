// SPDX-License-Identifier: GPL-2.0-or-later
//
// The memory calls beside mmap's family: mincore, msync, the mlock family, protection keys, and the flags of
// mmap and mprotect that few use.
#include <fcntl.h>
#include <sys/resource.h>

#include "areas.h"

enum { kMapSync = 0x80000, kMlockOnFault = 1, kMclOnFault = 4 };
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

static void populated(void) {
  char* memory = map_apart(4, kReadWrite, kAnonymous | MAP_POPULATE);
  say("%-32s %s", "MAP_POPULATE", residency(memory, 4));
  unmap_apart(memory, 4);
  memory = map_apart(4, kReadWrite, kAnonymous | MAP_POPULATE | MAP_NONBLOCK);
  say("%-32s %s", "with MAP_NONBLOCK", residency(memory, 4));
  unmap_apart(memory, 4);
  memory = map_apart(4, PROT_NONE, kAnonymous | MAP_POPULATE);  // not an error
  say("%-32s %s", "without rights", residency(memory, 4));
  unmap_apart(memory, 4);
  memory = map_apart(4, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE);
  say("%-32s %s", "shared", residency(memory, 4));
  unmap_apart(memory, 4);
}

static void resident(void) {
  unsigned char vector[8];
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  write_byte(memory + kPage, 1);
  read_byte(memory + 3 * kPage);
  say("%-32s %s", "mincore: one written, one read", residency(memory, 8));
  CHECK(mprotect(memory + kPage, kPage, PROT_NONE) == 0);
  say("%-32s %s", "closed, but there", residency(memory, 8));
  CHECK_FAILS(mincore(memory + 1, kPage, vector), EINVAL);
  CHECK_FAILS(mincore(memory, 8 * kPage, (unsigned char*)8), EFAULT);
  CHECK_FAILS(mincore((void*)0x7ffffffff000, kPage, vector), ENOMEM);
  CHECK_FAILS(mincore((void*)0x7ffffffff000, kPage, (unsigned char*)8), ENOMEM);
  CHECK(mincore(memory, 0, vector) == 0);
  CHECK(munmap(memory + 4 * kPage, kPage) == 0);
  CHECK_FAILS(mincore(memory, 8 * kPage, vector), ENOMEM);
  CHECK(mincore(memory, 2 * kPage + 1, vector) == 0);  // three pages
  unmap_apart(memory, 8);

  // What a mapping forgets stays in the object that is mapped.
  memory = map_apart(4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  write_byte(memory + kPage, 1);
  CHECK(madvise(memory, 4 * kPage, MADV_DONTNEED) == 0);
  say("%-32s %s", "shared, forgotten", residency(memory, 4));
  unmap_apart(memory, 4);
}

static void synced(void) {
  char* memory = map_apart(6, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  fill_pages(memory, 6);
  CHECK(msync(memory, 6 * kPage, MS_SYNC) == 0);
  CHECK(msync(memory, 1, MS_ASYNC) == 0);
  CHECK(msync(memory, 6 * kPage, 0) == 0);
  CHECK(msync(memory, 0, MS_SYNC) == 0);
  CHECK_FAILS(msync(memory + 1, kPage, MS_SYNC), EINVAL);
  CHECK_FAILS(msync(memory, kPage, MS_SYNC | MS_ASYNC), EINVAL);
  CHECK_FAILS(msync(memory, kPage, 8), EINVAL);
  CHECK_FAILS(msync(memory, (size_t)-kPage, MS_SYNC), ENOMEM);
  CHECK(mlock(memory + kPage, kPage) == 0);
  CHECK_FAILS(msync(memory, 6 * kPage, MS_SYNC | MS_INVALIDATE), EBUSY);
  CHECK(msync(memory + 2 * kPage, kPage, MS_INVALIDATE) == 0);
  CHECK(munmap(memory + 3 * kPage, kPage) == 0);
  CHECK_FAILS(msync(memory, 6 * kPage, MS_SYNC), ENOMEM);
  CHECK_FAILS(msync(memory + 3 * kPage, kPage, MS_ASYNC), ENOMEM);
  CHECK_FAILS(msync(memory, 6 * kPage, MS_INVALIDATE), EBUSY);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 3);
  unmap_apart(memory, 6);
  say("synced");
}

static void locked(void) {
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  CHECK(mlock(memory + kPage + 7, kPage) == 0);  // touches two pages
  say("%-32s %s", "mlock", residency(memory, 8));
  CHECK_FAILS(madvise(memory, 8 * kPage, MADV_DONTNEED), EINVAL);
  CHECK(munlock(memory, 8 * kPage) == 0);
  CHECK(madvise(memory, 8 * kPage, MADV_DONTNEED) == 0);
  say("%-32s %s", "unlocked and dropped", residency(memory, 8));
  CHECK(syscall(SYS_mlock2, memory, 4 * kPage, kMlockOnFault) == 0);
  say("%-32s %s", "mlock2 on fault", residency(memory, 8));
  write_byte(memory, 1);
  CHECK_FAILS(madvise(memory, kPage, MADV_DONTNEED), EINVAL);
  CHECK(madvise(memory, kPage, kDontNeedLocked) == 0);
  CHECK_EQUAL(read_byte(memory), 0);
  CHECK(mlock(memory, 2 * kPage) == 0);  // no longer on fault
  say("%-32s %s", "mlock over it", residency(memory, 8));
  CHECK_FAILS(syscall(SYS_mlock2, memory, kPage, 2), EINVAL);
  CHECK(mlock(memory, 0) == 0);
  CHECK_FAILS(mlock(memory, (size_t)-2 * kPage), EINVAL);
  CHECK(mprotect(memory + 4 * kPage, kPage, PROT_NONE) == 0);
  CHECK_FAILS(mlock(memory + 3 * kPage, 3 * kPage), ENOMEM);  // what cannot be touched cannot be locked
  say("%-32s %s", "up to what is closed", residency(memory, 8));
  CHECK(munmap(memory + 6 * kPage, kPage) == 0);
  CHECK_FAILS(mlock(memory, 8 * kPage), ENOMEM);
  CHECK_FAILS(munlock(memory, 8 * kPage), ENOMEM);
  CHECK_FAILS(mlock(memory + 6 * kPage, kPage), ENOMEM);
  unmap_apart(memory, 8);
  memory = map_apart(4, kReadWrite, kAnonymous | MAP_LOCKED);
  say("%-32s %s", "MAP_LOCKED", residency(memory, 4));
  CHECK_FAILS(madvise(memory, kPage, MADV_FREE), EINVAL);
  CHECK_FAILS(madvise(memory, kPage, kCold), EINVAL);
  char* moved = mremap(memory, 4 * kPage, 8 * kPage, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  say("%-32s %s", "grown", residency(moved, 8));
  CHECK(munmap(moved, 8 * kPage) == 0);
  unmap_apart(memory, 4);
}

// Locked memory does not fault later on: what becomes writable is copied then and there.
static void locked_and_writable(void) {
  int fd = (int)syscall(SYS_memfd_create, "locked", 0);
  CHECK(fd >= 0 && ftruncate(fd, kPage) == 0 && pwrite(fd, "A", 1, 0) == 1);
  char* memory = map_apart(4, PROT_NONE, kAnonymous | MAP_LOCKED);
  CHECK(mmap(memory, kPage, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == memory);
  CHECK(mlock(memory, kPage) == 0);
  CHECK(mprotect(memory, 2 * kPage, kReadWrite) == 0);
  CHECK(pwrite(fd, "B", 1, 0) == 1);
  CHECK_EQUAL(read_byte(memory), 'A');
  say("%-32s %s", "locked, then writable", residency(memory, 4));
  unmap_apart(memory, 4);
  close(fd);
}

static void dropped_in_child(char* memory) { CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0); }

static void all_locked(char* unused) {
  (void)unused;
  char* memory = map_apart(4, kReadWrite, kAnonymous);
  CHECK_FAILS(mlockall(0), EINVAL);
  CHECK_FAILS(mlockall(8), EINVAL);
  CHECK_FAILS(mlockall(kMclOnFault), EINVAL);
  CHECK(mlockall(MCL_CURRENT) == 0);
  say("%-32s %s", "mlockall of what is there", residency(memory, 4));
  char* later = map_apart(4, kReadWrite, kAnonymous);
  say("%-32s %s", "mapped later", residency(later, 4));
  unmap_apart(later, 4);
  CHECK(mlockall(MCL_FUTURE) == 0);
  CHECK_FAILS(madvise(memory, kPage, MADV_DONTNEED), EINVAL);
  later = map_apart(4, kReadWrite, kAnonymous);
  say("%-32s %s", "after MCL_FUTURE", residency(later, 4));
  in_a_child(dropped_in_child, later);  // locks are not inherited
  uintptr_t heap_end = ((uintptr_t)syscall(SYS_brk, 0) + kPage - 1) & ~(uintptr_t)(kPage - 1);
  CHECK_EQUAL(syscall(SYS_brk, heap_end + 4 * kPage), heap_end + 4 * kPage);
  say("%-32s %s", "brk", residency((char*)heap_end, 4));
  unmap_apart(later, 4);
  CHECK(mlockall(MCL_FUTURE | kMclOnFault) == 0);
  later = map_apart(4, kReadWrite, kAnonymous);
  say("%-32s %s", "on fault", residency(later, 4));
  CHECK_FAILS(madvise(later, kPage, MADV_DONTNEED), EINVAL);
  CHECK(munlockall() == 0);
  CHECK(madvise(later, kPage, MADV_DONTNEED) == 0);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  unmap_apart(later, 4);
  later = map_apart(4, kReadWrite, kAnonymous);
  say("%-32s %s", "after munlockall", residency(later, 4));
  unmap_apart(later, 4);
  unmap_apart(memory, 4);
}

// RLIMIT_MEMLOCK is for those who are not root.
static void limited_locks(char* unused) {
  (void)unused;
  char* memory = map_apart(8, kReadWrite, kAnonymous);
  struct rlimit limit = {4 * kPage, 4 * kPage};
  CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  CHECK(mlock(memory, 8 * kPage) == 0 && munlock(memory, 8 * kPage) == 0);
  CHECK_EQUAL(syscall(SYS_setresuid, 1000, 1000, 1000), 0);
  CHECK_FAILS(mlock(memory, 5 * kPage), ENOMEM);
  CHECK(mlock(memory, 3 * kPage) == 0);
  CHECK(mlock(memory + kPage, 3 * kPage) == 0);  // two of them are locked already
  CHECK_FAILS(mlock(memory + 4 * kPage, kPage), ENOMEM);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, kAnonymous | MAP_LOCKED, -1, 0), EAGAIN);
  CHECK_FAILS((long)mremap(memory, 4 * kPage, 5 * kPage, MREMAP_MAYMOVE), EAGAIN);
  CHECK_FAILS(mlockall(MCL_CURRENT), ENOMEM);
  CHECK(munlock(memory, kPage) == 0);
  CHECK(mlockall(MCL_FUTURE) == 0);
  char* more = mmap(NULL, kPage, kReadWrite, kAnonymous, -1, 0);
  CHECK(more != MAP_FAILED);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, kAnonymous, -1, 0), EAGAIN);
  long end = syscall(SYS_brk, 0);
  CHECK_EQUAL(syscall(SYS_brk, end + 8 * kPage), end);
  CHECK(munlockall() == 0);
  limit.rlim_cur = 0;
  CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  CHECK_FAILS(mlock(memory, kPage), EPERM);
  CHECK_FAILS(mlockall(MCL_CURRENT), EPERM);
  // musl makes ENOMEM of it.
  CHECK_EQUAL(raw_syscall(SYS_mmap, 0, kPage, kReadWrite, kAnonymous | MAP_LOCKED, -1, 0), -EPERM);
  CHECK(munlock(memory, kPage) == 0);
}

static void low(void) {
  char* memory = mmap(NULL, 4 * kPage, kReadWrite, kAnonymous | MAP_32BIT, -1, 0);
  CHECK(memory != MAP_FAILED);
  CHECK((uintptr_t)memory >= 0x40000000 && (uintptr_t)memory < 0x80000000);
  write_byte(memory, 1);
  CHECK_FAILS((long)mmap(NULL, 3ul << 30, PROT_NONE, kAnonymous | MAP_32BIT | MAP_NORESERVE, -1, 0), ENOMEM);
  CHECK(munmap(memory, 4 * kPage) == 0);
  say("MAP_32BIT");
}

static void refused(void) {
  char* memory = map_apart(2, kReadWrite, kAnonymous);
  int zero = open("/dev/zero", O_RDWR);
  CHECK(zero >= 0);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED_VALIDATE | kMapSync, zero, 0), EOPNOTSUPP);
  char* ignored = mmap(NULL, kPage, kReadWrite, MAP_PRIVATE | kMapSync, zero, 0);
  CHECK(ignored != MAP_FAILED);
  CHECK(munmap(ignored, kPage) == 0);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED | MAP_GROWSDOWN, zero, 0), EINVAL);
  CHECK(close(zero) == 0);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL);
  CHECK_FAILS(mprotect(memory, kPage, PROT_READ | PROT_GROWSDOWN), EINVAL);
  CHECK_FAILS(mprotect(memory, kPage, PROT_READ | PROT_GROWSUP), EINVAL);
  CHECK_FAILS(mprotect(memory, kPage, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
  CHECK_FAILS(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
  CHECK_FAILS(syscall(SYS_pkey_alloc, 0, 4), EINVAL);
  CHECK_FAILS(syscall(SYS_pkey_free, 9), EINVAL);
  CHECK_FAILS(syscall(SYS_pkey_mprotect, memory, kPage, PROT_READ, 9), EINVAL);
  CHECK(syscall(SYS_pkey_mprotect, memory, kPage, PROT_READ, -1) == 0);
  CHECK(RAISES(write_byte(memory, 1)));
  struct {
    void* start;
    size_t length;
  } range = {memory, kPage};
  CHECK_FAILS(syscall(SYS_process_madvise, -1, &range, 1, kCold, 0), EBADF);
  CHECK_FAILS(syscall(SYS_process_madvise, -1, &range, 1, kCold, 1), EINVAL);
  CHECK_FAILS(syscall(SYS_process_madvise, -1, 8, 1, kCold, 0), EFAULT);
  unmap_apart(memory, 2);
  say("refused");
}

// An area that grows down does so by faults close enough to it, keeps a gap to what is below, and is changed
// from its start by PROT_GROWSDOWN.
static void grows_down(void) {
  enum { kSpace = 600 };
  char* space = map_anonymous((size_t)kSpace * kPage, PROT_NONE);
  CHECK(munmap(space, (size_t)kSpace * kPage) == 0);
  char* top = space + (size_t)kSpace * kPage;
  char* area = mmap(top - 2 * kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
  CHECK(area == top - 2 * kPage);
  write_byte(area - 1, 1);
  write_byte(area - 8 * kPage, 2);
  CHECK_EQUAL(read_byte(area - 4 * kPage), 0);
  // Whoever does not insist on a place keeps away from it.
  char* near = mmap(area - 20 * kPage, kPage, PROT_READ, kAnonymous, -1, 0);
  CHECK(near != MAP_FAILED && near != area - 20 * kPage);
  CHECK(munmap(near, kPage) == 0);
  char* below = space + 100 * kPage;
  CHECK(mmap(below, kPage, PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0) == below);
  write_byte(below + 300 * kPage, 3);
  CHECK(RAISES(write_byte(below + 200 * kPage, 4)));  // closer than 256 pages
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK(mprotect(below, kPage, PROT_NONE) == 0);  // nothing that could be hit
  write_byte(below + 200 * kPage, 5);
  CHECK(mprotect(top - kPage, kPage, PROT_READ | PROT_GROWSDOWN) == 0);
  CHECK(RAISES(write_byte(below + 200 * kPage, 6)));
  CHECK_EQUAL(caught.code, SEGV_ACCERR);
  CHECK_EQUAL(read_byte(below + 200 * kPage), 5);
  CHECK(munmap(below, (size_t)(top - below)) == 0);
  say("MAP_GROWSDOWN");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  populated();
  resident();
  synced();
  locked();
  locked_and_writable();
  in_a_child(all_locked, NULL);
  in_a_child(limited_locks, NULL);
  say("locks limited");
  low();
  refused();
  grows_down();
  return 0;
}
