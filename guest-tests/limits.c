// SPDX-License-Identifier: GPL-2.0-or-later
//
// Resource limits: address space, data, stack, descriptors, file sizes, processes; what fails, how, and that
// nothing else does. Each test runs in a child, because limits stay.
#include <sys/resource.h>
#include <sys/stat.h>

#include "children.h"

static const int kReadWrite = PROT_READ | PROT_WRITE;
enum { kMegabyte = 1 << 20 };

static void limit(int resource, rlim_t soft) {
  struct rlimit value = {soft, RLIM_INFINITY}, now;
  CHECK(getrlimit(resource, &now) == 0);
  value.rlim_max = now.rlim_max;
  CHECK(setrlimit(resource, &value) == 0);
  CHECK(getrlimit(resource, &now) == 0 && now.rlim_cur == soft);
}

static char* map(size_t bytes, int protection) {
  return mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long mapped_now(void) {  // bytes
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  CHECK(file && fscanf(file, "%ld", &pages) == 1);
  fclose(file);
  return pages * kPage;
}

static void address_space(void) {
  char* before = map(4 * kMegabyte, kReadWrite);
  CHECK(before != MAP_FAILED);
  long now = mapped_now();  // takes a heap for itself
  uintptr_t program_break = (uintptr_t)syscall(SYS_brk, 0);
  limit(RLIMIT_AS, (rlim_t)now + 8 * kMegabyte);
  char* first = map(6 * kMegabyte, PROT_NONE);  // addresses count, not pages
  CHECK(first != MAP_FAILED);
  CHECK(map(3 * kMegabyte, kReadWrite) == MAP_FAILED && errno == ENOMEM);
  CHECK(mremap(first, 6 * kMegabyte, 9 * kMegabyte, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
  CHECK_EQUAL(syscall(SYS_brk, program_break + 3 * kMegabyte), program_break);
  CHECK_EQUAL(syscall(SYS_brk, program_break + kMegabyte), program_break + kMegabyte);
  CHECK_EQUAL(syscall(SYS_brk, program_break), program_break);
  pid_t pid = checked_fork();
  if (pid == 0) {  // it holds for children, and what there is already may be used
    CHECK(map(3 * kMegabyte, kReadWrite) == MAP_FAILED && errno == ENOMEM);
    for (int i = 0; i < 4 * kMegabyte; i += kPage) write_byte(before + i, 1);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK(munmap(first, 6 * kMegabyte) == 0);
  CHECK(map(7 * kMegabyte, kReadWrite) != MAP_FAILED);
  limit(RLIMIT_AS, kPage);  // less than there is: nothing is lost, nothing more is given
  CHECK(map(kPage, PROT_NONE) == MAP_FAILED && errno == ENOMEM);
  CHECK(mprotect(before, kMegabyte, PROT_READ) == 0);
  CHECK(munmap(before, 4 * kMegabyte) == 0);
  say("RLIMIT_AS");
}

static void data(void) {
  uintptr_t program_break = (uintptr_t)syscall(SYS_brk, 0);
  char* memory = map(4 * kMegabyte, PROT_NONE);
  CHECK(memory != MAP_FAILED);
  limit(RLIMIT_DATA, 2 * kMegabyte);
  CHECK(map(3 * kMegabyte, kReadWrite) == MAP_FAILED && errno == ENOMEM);
  CHECK(map(3 * kMegabyte, PROT_READ) != MAP_FAILED);  // private and writable is what counts
  CHECK_FAILS(mprotect(memory, 3 * kMegabyte, kReadWrite), ENOMEM);
  CHECK(mprotect(memory, kMegabyte / 2, kReadWrite) == 0);
  CHECK_EQUAL(syscall(SYS_brk, program_break + 3 * kMegabyte), program_break);
  CHECK(mmap(NULL, 3 * kMegabyte, kReadWrite, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  say("RLIMIT_DATA");
}

// One frame of more than a page after the other; the depth in `reached` tells how far it went.
static volatile int* reached;
__attribute__((noinline)) static int descend(int kilobytes) {
  volatile char frame[4096];
  frame[0] = frame[4095] = (char)kilobytes;
  *reached = kilobytes;
  if (kilobytes <= 0) return frame[0];
  return descend(kilobytes - 4) + frame[4095];
}

static void stack(void) {
  reached = map_shared(kPage);
  limit(RLIMIT_STACK, kMegabyte);
  pid_t pid = checked_fork();
  if (pid == 0) {
    descend(700);
    _exit(5);
  }
  CHECK_EXITS(pid, 5);
  pid = checked_fork();
  if (pid == 0) {
    descend(1100);
    _exit(5);
  }
  CHECK_KILLED(pid, SIGSEGV);
  CHECK(*reached > 50 && *reached < 400);
  limit(RLIMIT_STACK, 3 * kMegabyte);  // looked at when the stack grows
  pid = checked_fork();
  if (pid == 0) {
    descend(2500);
    _exit(6);
  }
  CHECK_EXITS(pid, 6);
  say("RLIMIT_STACK");
}

static void descriptors(void) {
  int fds[32], count = 0, ends[2];
  limit(RLIMIT_NOFILE, 20);
  while ((fds[count] = open("/dev/null", O_RDWR)) >= 0) CHECK(fds[count++] < 20);
  CHECK_EQUAL(errno, EMFILE);
  CHECK(count >= 10 && fds[count - 1] == 19);
  CHECK_FAILS(dup(0), EMFILE);
  CHECK_FAILS(pipe(ends), EMFILE);
  CHECK_FAILS(dup2(1, 20), EBADF);
  CHECK_FAILS(fcntl(1, F_DUPFD, 20), EINVAL);
  CHECK_FAILS(memfd_create("x", 0), EMFILE);
  CHECK_EQUAL(dup2(1, 19), 19);
  CHECK(close(fds[3]) == 0);
  CHECK_FAILS(pipe(ends), EMFILE);  // needs two; takes none
  CHECK_EQUAL(dup(0), fds[3]);
  limit(RLIMIT_NOFILE, 5);
  CHECK_EQUAL(write(fds[count - 2], "x", 1), 1);  // what is open stays open
  CHECK(close(fds[count - 2]) == 0);
  CHECK_FAILS(open("/dev/null", O_RDWR), EMFILE);
  say("RLIMIT_NOFILE");
}

static void file_size(void) {
  int fd = memfd_create("limited", 0);
  CHECK(fd >= 0);
  static char bytes[3 * kPage];
  limit(RLIMIT_FSIZE, 2 * kPage);
  CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  CHECK_EQUAL(write(fd, bytes, sizeof bytes), 2 * kPage);  // what fits
  CHECK_FAILS(write(fd, bytes, 1), EFBIG);
  CHECK_FAILS(ftruncate(fd, 3 * kPage), EFBIG);
  CHECK_EQUAL(pwrite(fd, bytes, 10, 2 * kPage - 3), 3);
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    if (write(fd, bytes, 1) == 1) _exit(1);
    _exit(2);
  }
  CHECK_KILLED(pid, SIGXFSZ);
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK_EQUAL(write(ends[1], bytes, sizeof bytes), sizeof bytes);  // pipes have no size
  say("RLIMIT_FSIZE");
}

// For users, not for root.
static void processes(void) {
  const uid_t somebody = 100000u + (uid_t)getpid();  // who has no other processes
  struct Gate hold = make_gate();
  pid_t pids[2];
  if (getuid() == 0) CHECK(setresuid(somebody, somebody, somebody) == 0);
  limit(RLIMIT_NPROC, 3);
  for (int i = 0; i < 2; i++) {
    pids[i] = checked_fork();
    if (pids[i] == 0) {
      pass_gate(hold);
      _exit(0);
    }
  }
  CHECK_FAILS(fork(), EAGAIN);
  open_gate(hold), open_gate(hold);
  for (int i = 0; i < 2; i++) CHECK_EXITS(pids[i], 0);
  pid_t pid = checked_fork();
  if (pid == 0) _exit(0);
  CHECK_EXITS(pid, 0);
  say("RLIMIT_NPROC");
}

static void the_calls(void) {
  struct rlimit value, other;
  CHECK_FAILS(getrlimit(99, &value), EINVAL);
  CHECK_FAILS(setrlimit(RLIMIT_NOFILE, &(struct rlimit){10, 5}), EINVAL);
  CHECK_FAILS(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, nowhere()), EFAULT);
  CHECK_FAILS(prlimit(0x3fffffff, RLIMIT_NOFILE, NULL, &value), ESRCH);
  struct Gate hold = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(hold);
    CHECK(getrlimit(RLIMIT_NOFILE, &value) == 0 && value.rlim_cur == 33 && value.rlim_max == 44);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){44, 44}) == 0);  // up to the hard limit
    if (getuid() == 0) CHECK(setresuid(54321, 54321, 54321) == 0);
    CHECK_FAILS(setrlimit(RLIMIT_NOFILE, &(struct rlimit){44, 45}), EPERM);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){1, 20}) == 0);
    CHECK_FAILS(setrlimit(RLIMIT_NOFILE, &(struct rlimit){1, 21}), EPERM);
    _exit(0);
  }
  CHECK(getrlimit(RLIMIT_NOFILE, &value) == 0);
  CHECK(prlimit(pid, RLIMIT_NOFILE, &(struct rlimit){33, 44}, &other) == 0);  // somebody else's
  CHECK(other.rlim_cur == value.rlim_cur && other.rlim_max == value.rlim_max);
  open_gate(hold);
  CHECK_EXITS(pid, 0);
  CHECK(getrlimit(RLIMIT_NOFILE, &other) == 0 && other.rlim_cur == value.rlim_cur);
  say("getrlimit, setrlimit and prlimit");
}

int main(void) {
  in_child(the_calls);
  in_child(address_space);
  in_child(data);
  in_child(stack);
  in_child(descriptors);
  in_child(file_size);
  in_child(processes);
  return 0;
}
