// SPDX-License-Identifier: GPL-2.0-or-later
//
// /dev/aperture, memory of a device without frames of the kernel's behind it: mappings, write protection by
// userfaultfd, soft-dirty tracking. Linux has no such device: there the lines are printed all the same.
#include "uffd.h"

enum { kApertureBytes = 1 << 20 };

static int device;
static int pagemap;

static char* map_aperture(size_t pages, int protection, int flags, off_t page) {
  char* memory = mmap(NULL, pages * kPage, protection, flags, device, page * kPage);
  CHECK(memory != MAP_FAILED);
  return memory;
}

static uint64_t pagemap_word(const char* address) {
  uint64_t word;
  CHECK(pread(pagemap, &word, 8, (off_t)((uintptr_t)address / kPage * 8)) == 8);
  return word;
}

static bool is_dirty(const char* address) { return pagemap_word(address) >> 55 & 1; }

static void test_mappings(void) {
  char* shared = map_aperture(4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  char* alias = map_aperture(256, PROT_READ, MAP_SHARED, 0);
  char* private = map_aperture(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
  for (int i = 0; i < 4; ++i) memset(shared + i * kPage, i + 1, kPage);
  CHECK_EQUAL(alias[kPage], 2);
  CHECK_EQUAL(private[kPage], 2);
  shared[kPage] = 7;
  CHECK_EQUAL(private[kPage], 7);
  private[kPage] = 8;
  CHECK_EQUAL(shared[kPage], 7);
  CHECK_EQUAL(private[kPage + 1], 2);
  private[3 * kPage] = 8;  // not read before
  CHECK_EQUAL(alias[3 * kPage], 4);
  CHECK_EQUAL(private[3 * kPage + 5], 4);

  pid_t child = fork();
  if (child == 0) {
    shared[0] = 21;
    private[kPage] = 22;
    private[0] = 23;
    _exit(0);
  }
  CHECK(waitpid(child, NULL, 0) == child);
  CHECK_EQUAL(alias[0], 21);
  CHECK_EQUAL(private[kPage], 8);
  CHECK_EQUAL(private[0], 21);

  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], shared + kPage, 2) == 2);
  CHECK(read(pipe_fds[0], shared, 2) == 2 && shared[0] == 7 && shared[1] == 2);
  munmap(shared, 4 * kPage);
  munmap(private, 4 * kPage);
  munmap(alias, kApertureBytes);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  say("mappings");
}

static void test_errors(void) {
  CHECK(mmap(NULL, 2 * kPage, PROT_READ, MAP_SHARED, device, kApertureBytes - kPage) == MAP_FAILED);
  CHECK_EQUAL(errno, EINVAL);
  char byte;
  CHECK_FAILS(read(device, &byte, 1), EINVAL);
  char* shared = map_aperture(2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  CHECK(mremap(shared, 2 * kPage, 3 * kPage, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
  CHECK_FAILS(madvise(shared, kPage, MADV_DONTNEED), EINVAL);
  CHECK(mlock(shared, kPage) == 0);
  char* moved = mremap(shared, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
                       map_anonymous(2 * kPage, PROT_NONE));
  CHECK(moved != MAP_FAILED);
  moved[0] = 5;
  CHECK(mprotect(moved, kPage, PROT_READ) == 0);
  install_handler(SIGSEGV, catch_and_leave, 0);
  CHECK(RAISES(write_byte(moved, 1)));
  CHECK(mprotect(moved, kPage, PROT_READ | PROT_WRITE) == 0);
  moved[0] = 6;
  munmap(moved, 2 * kPage);
  say("errors");
}

// S51: protected, written, resolved, with no page behind it.
static void test_write_protection(int flags) {
  char* memory = map_aperture(4, PROT_READ | PROT_WRITE, flags, 8);
  int fd = uffd_new(0, 0);
  CHECK_FAILS(uffd_register(fd, memory, 4 * kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK(uffd_register(fd, memory, 4 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  read_byte(memory);
  memory[kPage] = 1;
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(pagemap_word(memory) >> 57 & 1);
  for (int i = 0; i < 4; ++i) {
    char* at = memory + i * kPage;
    pthread_t writer = start_thread(thread_writes, at);
    uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP, at);
    CHECK(uffd_protect(fd, at, kPage, 0) == 0);
    join_thread(writer);
    CHECK_EQUAL(*at, 77);
    *at = 0;
  }
  CHECK_FAILS(uffd_copy(fd, memory, memory + kPage, kPage, 0), EINVAL);
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(uffd_unregister(fd, memory, 4 * kPage) == 0);
  memset(memory, 0, 4 * kPage);
  close(fd);

  if (!(uffd_offered() & UFFD_FEATURE_WP_ASYNC)) {
    munmap(memory, 4 * kPage);
    return;
  }
  fd = uffd_new(0, UFFD_FEATURE_WP_ASYNC);
  CHECK(uffd_register(fd, memory, 4 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  memory[kPage] = 3;
  CHECK((pagemap_word(memory) >> 57 & 1) == 1 && (pagemap_word(memory + kPage) >> 57 & 1) == 0);
  close(fd);
  munmap(memory, 4 * kPage);
}

static void test_soft_dirty(void) {
  char* shared = map_aperture(3, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  shared[0] = shared[kPage] = 1;
  int clear_refs = open("/proc/self/clear_refs", O_WRONLY);
  CHECK(is_dirty(shared) && write(clear_refs, "4", 1) == 1);
  read_byte(shared + 2 * kPage);
  CHECK(!is_dirty(shared) && !is_dirty(shared + kPage) && !is_dirty(shared + 2 * kPage));
  CHECK(mprotect(shared, 3 * kPage, PROT_READ) == 0);
  CHECK(mprotect(shared, 3 * kPage, PROT_READ | PROT_WRITE) == 0);
  shared[kPage] = 2;
  shared[2 * kPage] = 2;
  CHECK(!is_dirty(shared) && is_dirty(shared + kPage) && is_dirty(shared + 2 * kPage));
  close(clear_refs);
  munmap(shared, 3 * kPage);
}

int main(void) {
  device = open("/dev/aperture", O_RDWR);
  pagemap = open("/proc/self/pagemap", O_RDONLY);
  CHECK(pagemap >= 0);
  if (device < 0) {
    CHECK_EQUAL(errno, ENOENT);
    say("mappings\nerrors\nwrite protection\nsoft-dirty");
    return 0;
  }
  test_mappings();
  test_errors();
  test_write_protection(MAP_SHARED);
  test_write_protection(MAP_PRIVATE);
  say("write protection");
  test_soft_dirty();
  say("soft-dirty");
  return 0;
}
