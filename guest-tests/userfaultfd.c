// SPDX-License-Identifier: GPL-2.0-or-later
//
// userfaultfd: missing pages, write protection, minor faults, poison and moves, with the test as the monitor
// of a second thread; and the error of every wrong argument.
#include <sys/uio.h>

#include "uffd.h"

static char page[kPage] __attribute__((aligned(kPage)));

static void test_api(void) {
  CHECK_FAILS(syscall(SYS_userfaultfd, 2), EINVAL);
  int fd = uffd_open(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  struct uffd_msg message;
  CHECK_FAILS(read(fd, &message, sizeof message), EINVAL);
  struct pollfd ready = {fd, POLLIN, 0};
  CHECK(poll(&ready, 1, 0) == 1 && ready.revents == POLLERR);
  CHECK_FAILS(uffd_register(fd, page, kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(ioctl(fd, 0, 0), EINVAL);

  struct uffdio_api api = {.api = 0xab};
  CHECK_FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  CHECK_EQUAL(api.api, 0);
  api = (struct uffdio_api){.api = UFFD_API, .features = 1ul << 63};
  CHECK_FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  CHECK_EQUAL(api.api, 0);
  CHECK_FAILS(ioctl(fd, UFFDIO_API, NULL), EFAULT);
  api = (struct uffdio_api){.api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID};
  CHECK(ioctl(fd, UFFDIO_API, &api) == 0);
  CHECK_EQUAL((api.features | UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC) & 0x1ffff, 0x1ffff);
  CHECK_EQUAL(api.ioctls, 0x8000000000000003);
  api = (struct uffdio_api){.api = UFFD_API};
  CHECK_FAILS(ioctl(fd, UFFDIO_API, &api), EINVAL);
  CHECK_EQUAL(api.api, 0);
  CHECK_FAILS(ioctl(fd, 12345, 0), EINVAL);

  CHECK_FAILS(read(fd, &message, sizeof message), EAGAIN);
  CHECK_FAILS(read(fd, &message, sizeof message - 1), EINVAL);
  struct iovec halves[2] = {{&message, 16}, {(char*)&message + 16, 16}};
  CHECK_FAILS(readv(fd, halves, 2), EAGAIN);
  CHECK_FAILS(readv(fd, halves, 1), EINVAL);
  CHECK_FAILS(pread(fd, &message, sizeof message, 0), ESPIPE);
  CHECK_EQUAL(lseek(fd, 100, SEEK_SET), 0);
  CHECK_FAILS(write(fd, &message, sizeof message), EBADF);
  CHECK(poll(&ready, 1, 0) == 0);
  close(fd);

  int device = open("/dev/userfaultfd", O_RDWR);
  CHECK(device >= 0);
  CHECK_FAILS(ioctl(device, 0, 0), EINVAL);
  fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
  CHECK(fd >= 0);
  close(fd);
  close(device);
  say("API");
}

static void test_register_errors(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  munmap(memory + 3 * kPage, kPage);
  int fd = uffd_new(0, 0);
  int other = uffd_new(0, 0);
  CHECK_FAILS(uffd_register(fd, memory, kPage, 0), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory, kPage, 8), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory + 1, kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory, 100, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory, 0, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, NULL, kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, (void*)0x7ffffffff000, kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory + 3 * kPage, kPage, UFFDIO_REGISTER_MODE_MISSING), EINVAL);
  CHECK_FAILS(uffd_register(fd, memory, kPage, UFFDIO_REGISTER_MODE_MINOR), EINVAL);
  CHECK_FAILS(ioctl(fd, UFFDIO_REGISTER, NULL), EFAULT);
  CHECK(uffd_register(fd, memory, 2 * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  CHECK_FAILS(uffd_register(other, memory + kPage, 2 * kPage, UFFDIO_REGISTER_MODE_MISSING), EBUSY);
  CHECK_FAILS(uffd_unregister(other, memory, kPage), EINVAL);
  CHECK_FAILS(uffd_unregister(fd, memory + 3 * kPage, kPage), EINVAL);
  CHECK_FAILS(uffd_unregister(fd, memory + 1, kPage), EINVAL);
  CHECK_FAILS(ioctl(fd, UFFDIO_UNREGISTER, NULL), EFAULT);
  CHECK(uffd_unregister(fd, memory, 2 * kPage) == 0);
  CHECK(uffd_unregister(fd, memory, 2 * kPage) == 0);
  struct uffdio_register range = {{(uintptr_t)memory, kPage}, UFFDIO_REGISTER_MODE_MISSING, 0};
  CHECK(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
  CHECK_EQUAL(range.ioctls, 0x13c);
  range.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
  CHECK(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
  CHECK_EQUAL(range.ioctls, 0x17c);
  close(other);
  close(fd);
  munmap(memory, 3 * kPage);
  say("errors of registering");
}

static void test_fill_errors(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  int fd = uffd_new(0, 0);
  CHECK_FAILS(uffd_copy(fd, memory, page, kPage, 0), ENOENT);
  CHECK_FAILS(uffd_protect(fd, memory, kPage, 0), ENOENT);
  CHECK(uffd_register(fd, memory, 2 * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  CHECK_FAILS(uffd_copy(fd, memory, page, kPage, 4), EINVAL);
  CHECK_FAILS(uffd_copy(fd, memory, page, 0, 0), EINVAL);
  CHECK_FAILS(uffd_copy(fd, memory, page, 5, 0), EINVAL);
  CHECK_FAILS(uffd_copy(fd, memory + 8, page, kPage, 0), EINVAL);
  CHECK_FAILS(uffd_copy(fd, memory, NULL, kPage, 0), EFAULT);
  CHECK_FAILS(uffd_copy(fd, memory, page, kPage, UFFDIO_COPY_MODE_WP), EINVAL);
  CHECK_FAILS(uffd_copy(fd, memory + kPage, page, 2 * kPage, 0), ENOENT);
  CHECK_FAILS(ioctl(fd, UFFDIO_COPY, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_ZEROPAGE, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_WRITEPROTECT, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_CONTINUE, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_POISON, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_MOVE, NULL), EFAULT);
  CHECK_FAILS(ioctl(fd, UFFDIO_WAKE, NULL), EFAULT);
  CHECK_FAILS(uffd_zero(fd, memory, kPage, 2), EINVAL);
  CHECK_FAILS(uffd_poison(fd, memory, kPage, 2), EINVAL);
  CHECK_FAILS(uffd_continue(fd, memory, kPage, 0), EINVAL);
  CHECK_FAILS(uffd_continue(fd, memory, kPage, 4), EINVAL);
  CHECK_FAILS(uffd_wake(fd, memory, 0), EINVAL);
  CHECK_FAILS(uffd_protect(fd, memory, kPage, UFFDIO_WRITEPROTECT_MODE_WP), ENOENT);
  CHECK_FAILS(uffd_protect(fd, memory, kPage, 4), EINVAL);
  CHECK_FAILS(uffd_protect(fd, memory, kPage, 3), EINVAL);
  CHECK_FAILS(uffd_protect(fd, memory, 0, 0), EINVAL);

  // A guard is; but not by zeros.
  if (madvise(memory, kPage, 102) == 0) {
    CHECK_FAILS(uffd_zero(fd, memory, kPage, 0), EEXIST);
    CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
    CHECK_EQUAL(memory[0], page[0]);
    CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  }
  // A page that is there is not replaced; what was done before it is told.
  CHECK(uffd_copy(fd, memory + kPage, page, kPage, 0) == 0);
  struct uffdio_copy copy = {(uintptr_t)memory, (uintptr_t)memory + kPage, 2 * kPage, 0, 0};
  CHECK_FAILS(ioctl(fd, UFFDIO_COPY, &copy), EAGAIN);
  CHECK_EQUAL(copy.copy, kPage);
  CHECK_FAILS(ioctl(fd, UFFDIO_COPY, &copy), EEXIST);
  CHECK_EQUAL(copy.copy, -EEXIST);
  CHECK_FAILS(uffd_zero(fd, memory, kPage, 0), EEXIST);
  CHECK_FAILS(uffd_poison(fd, memory, kPage, 0), EEXIST);
  CHECK_FAILS(uffd_move(fd, memory, memory + 3 * kPage, kPage, 0), EEXIST);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK_FAILS(uffd_move(fd, memory, memory + 3 * kPage, kPage, 0), ENOENT);
  CHECK_FAILS(uffd_move(fd, memory, page, kPage, 4), EINVAL);
  CHECK_FAILS(uffd_move(fd, memory + 2 * kPage, memory, kPage, 0), EINVAL);
  close(fd);
  munmap(memory, 4 * kPage);
  say("errors of filling");
}

static void test_missing(void) {
  char* memory = map_anonymous(6 * kPage, PROT_READ | PROT_WRITE);
  int fd = uffd_new(0, 0);
  CHECK(uffd_register(fd, memory, 6 * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  memset(page, 5, kPage);

  pthread_t reader = start_thread(thread_reads, memory + 100);
  uffd_fault(fd, 0, memory);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 5);

  pthread_t writer = start_thread(thread_writes, memory + kPage + 1);
  uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE, memory + kPage);
  CHECK(uffd_zero(fd, memory + kPage, kPage, 0) == 0);
  join_thread(writer);
  CHECK(memory[kPage] == 0 && memory[kPage + 1] == 77);

  // Without a wake nothing goes on; a wake alone only repeats the fault.
  reader = start_thread(thread_reads, memory + 2 * kPage);
  uffd_fault(fd, 0, memory + 2 * kPage);
  CHECK(uffd_wake(fd, memory + 2 * kPage, kPage) == 0);
  uffd_fault(fd, 0, memory + 2 * kPage);
  CHECK(uffd_copy(fd, memory + 2 * kPage, page, kPage, UFFDIO_COPY_MODE_DONTWAKE) == 0);
  CHECK(uffd_wake(fd, memory + 2 * kPage, kPage) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 5);

  // The kernel's own access waits, too: here read(2) fills the page.
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0 && write(pipe_fds[1], "xyz", 3) == 3);
  pid_t child = fork();
  if (child == 0) _exit(0);  // not registered in the child
  reader = start_thread(thread_reads, memory + 3 * kPage);
  uffd_fault(fd, 0, memory + 3 * kPage);
  CHECK(uffd_unregister(fd, memory + 3 * kPage, kPage) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 0);
  CHECK_EQUAL(read(pipe_fds[0], memory + 3 * kPage, 3), 3);
  CHECK(memcmp(memory + 3 * kPage, "xyz", 3) == 0);

  // Closing lets everybody go.
  reader = start_thread(thread_reads, memory + 4 * kPage);
  uffd_fault(fd, 0, memory + 4 * kPage);
  close(fd);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 0);
  munmap(memory, 6 * kPage);
  say("missing pages");
}

static int kernel_pipe[2];
static void* thread_kernel_reads(void* address) { return (void*)write(kernel_pipe[1], address, 4); }

static void test_kernel_access(void) {
  char* memory = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  CHECK(pipe(kernel_pipe) == 0);
  int fd = uffd_new(0, UFFD_FEATURE_EXACT_ADDRESS);
  CHECK(uffd_register(fd, memory, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  pthread_t thread = start_thread(thread_kernel_reads, memory + 40);
  uffd_fault(fd, 0, memory + 40);
  memset(page, 'k', kPage);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL((long)join_thread(thread), 4);
  char bytes[4];
  CHECK(read(kernel_pipe[0], bytes, 4) == 4 && memcmp(bytes, "kkkk", 4) == 0);
  close(fd);

  // Who handles faults of the program only makes the kernel's fail.
  fd = uffd_new(UFFD_USER_MODE_ONLY, 0);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK(uffd_register(fd, memory, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  CHECK_FAILS(write(kernel_pipe[1], memory, 4), EFAULT);
  close(fd);

  // And with SIGBUS instead of messages everybody's do.
  install_handler(SIGBUS, catch_and_leave, 0);
  fd = uffd_new(0, UFFD_FEATURE_SIGBUS);
  CHECK(uffd_register(fd, memory, kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  CHECK(RAISES(read_byte(memory + 9)));
  CHECK(caught.signal == SIGBUS && caught.code == BUS_ADRERR && caught.address == (uintptr_t)memory + 9);
  CHECK_FAILS(write(kernel_pipe[1], memory, 4), EFAULT);
  CHECK(uffd_poison(fd, memory, kPage, 0) == 0);
  CHECK(RAISES(read_byte(memory + 9)));
  CHECK(caught.signal == SIGBUS);
  CHECK_FAILS(write(kernel_pipe[1], memory, 4), EFAULT);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL(memory[0], 'k');
  close(fd);
  munmap(memory, kPage);
  say("the kernel's accesses, SIGBUS, poison");
}

static void test_write_protect(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  uint64_t offered = uffd_offered();
  int fd = uffd_new(O_NONBLOCK, offered & UFFD_FEATURE_WP_UNPOPULATED);
  fcntl(fd, F_SETFL, 0);
  memset(memory, 1, 2 * kPage);
  CHECK(uffd_register(fd, memory, 4 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  memory[0] = 2;  // registering alone protects nothing
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK_EQUAL(memory[0] + memory[kPage] + memory[2 * kPage], 3);
  int pages = offered & UFFD_FEATURE_WP_UNPOPULATED ? 4 : 2;
  for (int i = 0; i < pages; ++i) {  // page 2 has been read since, page 3 never touched
    char* at = memory + i * kPage;
    pthread_t writer = start_thread(thread_writes, at);
    uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP, at);
    CHECK(uffd_protect(fd, at, kPage, 0) == 0);
    join_thread(writer);
    CHECK_EQUAL(*at, 77);
    *at = 78;
  }
  // A monitor's own system calls that only read (S25).
  CHECK(uffd_protect(fd, memory, kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(write(kernel_pipe[1], memory, 4) == 4);
  // Changes of the protection by mprotect do not lift it.
  CHECK(mprotect(memory, kPage, PROT_READ) == 0 && mprotect(memory, kPage, PROT_READ | PROT_WRITE) == 0);
  pthread_t writer = start_thread(thread_writes, memory);
  uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP, memory);
  CHECK(uffd_unregister(fd, memory, kPage) == 0);
  CHECK(uffd_wake(fd, memory, kPage) == 0);
  join_thread(writer);
  // In the child of a fork nothing is protected (S26).
  CHECK(uffd_protect(fd, memory + kPage, kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  pid_t child = fork();
  if (child == 0) {
    memory[kPage] = 9;
    _exit(memory[kPage]);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
  writer = start_thread(thread_writes, memory + kPage);
  uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP, memory + kPage);
  CHECK_EQUAL(memory[kPage], 78);
  CHECK(uffd_protect(fd, memory + kPage, kPage, 0) == 0);
  join_thread(writer);
  CHECK_EQUAL(memory[kPage], 77);
  close(fd);

  // WP_ASYNC: nobody is asked.
  fd = uffd_new(0, offered & UFFD_FEATURE_WP_ASYNC);
  CHECK(uffd_register(fd, memory, 4 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  if (offered & UFFD_FEATURE_WP_ASYNC)
    CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  memset(memory, 4, 4 * kPage);
  close(fd);
  munmap(memory, 4 * kPage);
  say("write protection");
}

static void test_shmem(void) {
  enum { kPunchHole = 1 | 2 };  // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE: newer than some headers
  int file = memfd_create("test", 0);
  CHECK(file >= 0 && ftruncate(file, 4 * kPage) == 0);
  char* memory = mmap(NULL, 5 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char* alias = mmap(NULL, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(memory != MAP_FAILED && alias != MAP_FAILED);
  int fd = uffd_new(0, 0);
  const uint64_t all = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR;
  CHECK(uffd_register(fd, memory, 5 * kPage, all) == 0);
  memset(page, 6, kPage);

  pthread_t reader = start_thread(thread_reads, memory);
  uffd_fault(fd, 0, memory);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 6);
  CHECK_EQUAL(alias[7], 6);

  alias[kPage] = 3;  // in the file: a minor fault here
  CHECK_FAILS(uffd_copy(fd, memory + kPage, page, kPage, 0), EEXIST);
  reader = start_thread(thread_reads, memory + kPage);
  uffd_fault(fd, UFFD_PAGEFAULT_FLAG_MINOR, memory + kPage);
  alias[kPage] = 4;
  CHECK(uffd_continue(fd, memory + kPage, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 4);
  CHECK_FAILS(uffd_continue(fd, memory + kPage, kPage, 0), EEXIST);
  CHECK_FAILS(uffd_continue(fd, memory + 2 * kPage, kPage, 0), EFAULT);
  CHECK(uffd_zero(fd, memory + 2 * kPage, kPage, 0) == 0);
  CHECK_EQUAL(memory[2 * kPage] + alias[2 * kPage], 0);
  CHECK_FAILS(uffd_copy(fd, memory + 4 * kPage, page, kPage, 0), EFAULT);  // beyond the end

  // A hole takes what was filled in.
  CHECK(fallocate(file, kPunchHole, 0, kPage) == 0);
  reader = start_thread(thread_reads, memory);
  uffd_fault(fd, 0, memory);
  CHECK(uffd_copy(fd, memory, page, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 6);
  CHECK(fallocate(file, kPunchHole, kPage, kPage) == 0);  // by UFFDIO_CONTINUE
  reader = start_thread(thread_reads, memory + kPage);
  uffd_fault(fd, 0, memory + kPage);
  CHECK(uffd_zero(fd, memory + kPage, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 0);

  // Protection of a file's page outlives the mapping of the page.
  CHECK(uffd_unregister(fd, memory, 5 * kPage) == 0);  // registering for less would change nothing
  CHECK(uffd_register(fd, memory, 5 * kPage, UFFDIO_REGISTER_MODE_WP) == 0);
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(madvise(memory, kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(memory[0], 6);
  for (int i = 0; i < 4; i += 3) {  // page 3 was never there
    pthread_t writer = start_thread(thread_writes, memory + i * kPage);
    uffd_fault(fd, UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP, memory + i * kPage);
    CHECK(uffd_protect(fd, memory + i * kPage, kPage, 0) == 0);
    join_thread(writer);
    CHECK_EQUAL(alias[i * kPage], 77);
  }
  close(fd);
  munmap(memory, 5 * kPage);
  munmap(alias, 4 * kPage);
  close(file);
  say("shared memory");
}

static void test_move(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  int fd = uffd_new(0, UFFD_FEATURE_MOVE);
  CHECK(uffd_register(fd, memory, 2 * kPage, UFFDIO_REGISTER_MODE_MISSING) == 0);
  memory[2 * kPage] = 21;
  pthread_t reader = start_thread(thread_reads, memory);
  uffd_fault(fd, 0, memory);
  CHECK(uffd_move(fd, memory, memory + 2 * kPage, kPage, 0) == 0);
  CHECK_EQUAL((uintptr_t)join_thread(reader), 21);
  CHECK_EQUAL(memory[2 * kPage], 0);
  memory[0] = 22;
  CHECK(uffd_move(fd, memory + kPage, memory + 3 * kPage, kPage, UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES) == 0);
  memory[3 * kPage] = 23;
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  CHECK_FAILS(uffd_move(fd, memory + kPage, memory + 3 * kPage, kPage, 0), EBUSY);
  kill(child, SIGKILL);
  CHECK(waitpid(child, NULL, 0) == child);
  close(fd);
  munmap(memory, 4 * kPage);
  say("moves");
}

int main(void) {
  test_api();
  test_register_errors();
  test_fill_errors();
  test_missing();
  test_kernel_access();
  test_write_protect();
  test_shmem();
  test_move();
  return 0;
}
