// SPDX-License-Identifier: GPL-2.0-or-later
//
// The memory of another process: process_vm_readv, process_vm_writev and /proc/PID/mem, what they move, where
// they stop, and what they leave alone.
#include <sys/resource.h>
#include <sys/uio.h>

#include "children.h"

// A child that sleeps, with memory as it was when it was forked.
static pid_t start_sleeper(void) {
  pid_t pid = checked_fork();
  if (pid == 0)
    for (;;) pause();
  return pid;
}

static void end_sleeper(pid_t pid) {
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_KILLED(pid, SIGKILL);
}

static ssize_t vm_read(pid_t pid, void* to, size_t to_size, const void* from, size_t from_size) {
  struct iovec local = {to, to_size}, remote = {(void*)from, from_size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static ssize_t vm_write(pid_t pid, const void* from, size_t from_size, void* to, size_t to_size) {
  struct iovec local = {(void*)from, from_size}, remote = {to, to_size};
  return process_vm_writev(pid, &local, 1, &remote, 1, 0);
}

static void one_vector(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 4 * kPage; i++) memory[i] = (char)(i * 7 + i / 251);
  pid_t pid = start_sleeper();
  memset(memory + kPage, 0x55, kPage);  // ours alone
  char* copy = malloc(4 * kPage);
  CHECK_EQUAL(vm_read(pid, copy, 4 * kPage, memory, 4 * kPage), 4 * kPage);
  for (int i = 0; i < 4 * kPage; i++) CHECK_EQUAL(copy[i], (char)(i * 7 + i / 251));
  CHECK_EQUAL(vm_read(pid, copy, 100, memory + kPage - 50, 4 * kPage), 100);
  CHECK_EQUAL(copy[99], (char)((kPage + 49) * 7 + (kPage + 49) / 251));
  CHECK_EQUAL(vm_read(pid, copy, 4 * kPage, memory + kPage - 1, 2), 2);

  CHECK_EQUAL(vm_write(pid, "written", 7, memory + 2 * kPage - 3, 7), 7);
  CHECK_EQUAL(vm_read(pid, copy, 7, memory + 2 * kPage - 3, 7), 7);
  CHECK(memcmp(copy, "written", 7) == 0);
  CHECK_EQUAL(memory[2 * kPage - 3], 0x55);
  CHECK_EQUAL(memory[2 * kPage], (char)(2 * kPage * 7 + 2 * kPage / 251));
  end_sleeper(pid);
  CHECK_FAILS(vm_read(pid, copy, 1, memory, 1), ESRCH);

  CHECK_EQUAL(vm_read(getpid(), copy, kPage, memory, kPage), kPage);  // one's own
  CHECK(memcmp(copy, memory, kPage) == 0);
  free(copy);
  CHECK(munmap(memory, 4 * kPage) == 0);
  say("one vector");
}

static void many_vectors(void) {
  char* memory = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 2 * kPage; i++) memory[i] = (char)('a' + i % 26);
  pid_t pid = start_sleeper();
  char a[5] = "", b[30] = "", c[3] = "";
  struct iovec local[] = {{a, 4}, {NULL, 0}, {b, 29}, {c, 2}};
  struct iovec remote[] = {{memory + 26, 3}, {memory + 1, 0}, {memory + kPage, 26}, {memory, 100}};
  CHECK_EQUAL(process_vm_readv(pid, local, 4, remote, 4, 0), 35);
  say("%s %s %s", a, b, c);
  CHECK_EQUAL(process_vm_readv(pid, local, 1, remote, 4, 0), 4);
  CHECK_EQUAL(process_vm_readv(pid, local, 4, remote, 2, 0), 3);
  strcpy(b, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBB");
  memcpy(a, "AAAA", 4);
  CHECK_EQUAL(process_vm_writev(pid, local, 4, remote, 3, 0), 29);
  char back[40] = "";
  CHECK_EQUAL(vm_read(pid, back, 30, memory + 26, 30), 30);
  say("%s", back);
  CHECK_EQUAL(vm_read(pid, back, 30, memory + kPage, 30), 30);
  say("%s", back);
  end_sleeper(pid);
  CHECK(munmap(memory, 2 * kPage) == 0);
}

static void partial(void) {
  char* memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 'x', 8 * kPage);
  CHECK(munmap(memory + 2 * kPage, kPage) == 0);
  CHECK(mprotect(memory + 4 * kPage, kPage, PROT_READ) == 0);
  CHECK(mprotect(memory + 6 * kPage, kPage, PROT_NONE) == 0);
  pid_t pid = start_sleeper();
  char* copy = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  CHECK_EQUAL(vm_read(pid, copy, 8 * kPage, memory, 8 * kPage), 2 * kPage);  // up to the hole
  CHECK_EQUAL(vm_read(pid, copy, 8 * kPage, memory + kPage + 1, 2 * kPage), kPage - 1);
  CHECK_FAILS(vm_read(pid, copy, 1, memory + 2 * kPage, 1), EFAULT);
  CHECK_EQUAL(vm_write(pid, copy, 3 * kPage, memory + 3 * kPage, 3 * kPage),
              kPage);  // up to the read-only page
  CHECK_FAILS(vm_write(pid, copy, 1, memory + 4 * kPage, 1), EFAULT);
  CHECK_EQUAL(vm_read(pid, copy, 3 * kPage, memory + 4 * kPage, 3 * kPage), 2 * kPage);
  CHECK_FAILS(vm_read(pid, copy, 1, memory + 6 * kPage, 1), EFAULT);
  CHECK_FAILS(vm_read(pid, copy, 1, nowhere(), 1), EFAULT);

  CHECK(munmap(copy + kPage, kPage) == 0);  // a hole here
  CHECK_FAILS(vm_read(pid, copy + kPage, kPage, memory, kPage), EFAULT);
  struct iovec local[] = {{copy, 10}, {copy + kPage, 10}}, remote = {memory, 20};
  CHECK_EQUAL(process_vm_readv(pid, local, 2, &remote, 1, 0), 10);
  struct iovec there[] = {{memory, 10}, {nowhere(), 10}}, here = {copy, 20};
  CHECK_EQUAL(process_vm_readv(pid, &here, 1, there, 2, 0), 10);
  CHECK_EQUAL(process_vm_writev(pid, &here, 1, there, 2, 0), 10);
  end_sleeper(pid);
  CHECK(munmap(copy, 8 * kPage) == 0);
  CHECK(munmap(memory, 8 * kPage) == 0);
  say("partial transfers");
}

static void vector_errors(void) {
  char byte = 1;
  struct iovec one = {&byte, 1}, negative = {&byte, (size_t)-1}, empty = {&byte, 0};
  struct iovec kernel = {(void*)0xffff800000000000, 1};
  pid_t self = getpid();
  CHECK_FAILS(process_vm_readv(self, &one, 1, &one, 1, 1), EINVAL);
  CHECK_FAILS(process_vm_readv(self, &one, 1025, &one, 1, 0), EINVAL);
  CHECK_FAILS(process_vm_readv(self, &one, 1, &one, 1025, 0), EINVAL);
  CHECK_FAILS(process_vm_readv(self, &negative, 1, &one, 1, 0), EINVAL);
  CHECK_FAILS(process_vm_readv(self, &one, 1, &negative, 1, 0), EINVAL);
  CHECK_FAILS(process_vm_readv(self, nowhere(), 1, &one, 1, 0), EFAULT);
  CHECK_FAILS(process_vm_readv(self, &one, 1, nowhere(), 1, 0), EFAULT);
  CHECK_FAILS(process_vm_readv(self, &kernel, 1, &one, 1, 0), EFAULT);
  CHECK_FAILS(process_vm_readv(self, &one, 1, &kernel, 1, 0), EFAULT);
  CHECK_FAILS(process_vm_readv(0x3fffffff, &one, 1, &one, 1, 0), ESRCH);
  CHECK_EQUAL(process_vm_readv(0x3fffffff, &empty, 1, &one, 1, 0), 0);
  CHECK_EQUAL(process_vm_readv(0x3fffffff, &one, 1, &empty, 1, 0), 0);
  CHECK_EQUAL(process_vm_readv(0x3fffffff, NULL, 0, NULL, 0, 0), 0);
  CHECK_EQUAL(process_vm_writev(self, &one, 1, NULL, 0, 0), 0);
  say("errors of vectors");
}

static int open_memory(pid_t pid, int flags) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/mem", pid);
  return open(path, flags);
}

static void proc_mem(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 'm', 4 * kPage);
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_NONE) == 0);
  CHECK(munmap(memory + 3 * kPage, kPage) == 0);
  pid_t pid = start_sleeper();
  int fd = open_memory(pid, O_RDWR);
  CHECK(fd >= 0);
  char* copy = malloc(4 * kPage);
  CHECK_EQUAL(pread(fd, copy, 4 * kPage, (off_t)(uintptr_t)memory), 3 * kPage);  // PROT_NONE too
  CHECK(copy[0] == 'm' && copy[3 * kPage - 1] == 'm');
  CHECK_FAILS(pread(fd, copy, 1, (off_t)(uintptr_t)memory + 3 * kPage), EIO);
  CHECK_FAILS(pwrite(fd, copy, 1, (off_t)(uintptr_t)memory + 3 * kPage), EIO);
  CHECK_FAILS(pread(fd, copy, 1, 0), EIO);
  CHECK_EQUAL(pread(fd, copy, 0, 0), 0);
  CHECK_FAILS(pread(fd, nowhere(), 8, (off_t)(uintptr_t)memory), EFAULT);
  CHECK_FAILS(pwrite(fd, nowhere(), 8, (off_t)(uintptr_t)memory), EFAULT);

  // What the program may not write, a debugger may: into a copy of its own.
  CHECK_EQUAL(pwrite(fd, "forced", 6, (off_t)(uintptr_t)memory + kPage - 3), 6);
  CHECK_EQUAL(pread(fd, copy, 8, (off_t)(uintptr_t)memory + kPage - 4), 8);
  CHECK(memcmp(copy, "mforcedm", 8) == 0);
  CHECK(memory[kPage - 1] == 'm' && memory[kPage] == 'm');
  CHECK_EQUAL(pwrite(fd, "none", 4, (off_t)(uintptr_t)memory + 2 * kPage), 4);

  // The position moves, and may be set from the start or from where it is.
  CHECK_EQUAL(lseek(fd, (off_t)(uintptr_t)memory, SEEK_SET), (off_t)(uintptr_t)memory);
  CHECK_EQUAL(read(fd, copy, 10), 10);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), (off_t)(uintptr_t)memory + 10);
  CHECK_FAILS(lseek(fd, 0, SEEK_END), EINVAL);
  end_sleeper(pid);
  CHECK_EQUAL(pread(fd, copy, 1, (off_t)(uintptr_t)memory), 0);  // that memory is gone
  CHECK_EQUAL(pwrite(fd, copy, 1, (off_t)(uintptr_t)memory), 0);
  CHECK(close(fd) == 0);
  free(copy);
  CHECK(munmap(memory, 4 * kPage) == 0);
  say("/proc/PID/mem");
}

// A debugger's access below the stack lets it grow, as the program's own would; process_vm_readv's does not.
static void below_the_stack(void) {
  char byte = 's';
  uintptr_t here = (uintptr_t)&byte;
  int fd = open_memory(getpid(), O_RDWR);
  CHECK_FAILS(vm_read(getpid(), &byte, 1, (void*)(here - 200000), 1), EFAULT);
  CHECK_FAILS(vm_write(getpid(), &byte, 1, (void*)(here - 200000), 1), EFAULT);
  CHECK_EQUAL(pwrite(fd, "s", 1, (off_t)here - 200000), 1);
  CHECK_EQUAL(*(volatile char*)(here - 200000), 's');
  CHECK_EQUAL(pread(fd, &byte, 1, (off_t)here - 300000), 1);
  CHECK_EQUAL(byte, 0);
  CHECK_EQUAL(vm_read(getpid(), &byte, 1, (void*)(here - 300000), 1), 1);
  pid_t pid = start_sleeper();
  int other = open_memory(pid, O_RDWR);
  char page[2 * kPage];
  CHECK_EQUAL(pread(other, page, sizeof page, (off_t)here - 400000), sizeof page);
  CHECK_FAILS(vm_read(getpid(), &byte, 1, (void*)(here - 400000), 1), EFAULT);

  // The limit is that of who asks; what is mapped below keeps its distance.
  struct rlimit old, small = {1 << 20, 1 << 20};
  CHECK(getrlimit(RLIMIT_STACK, &old) == 0);
  small.rlim_max = old.rlim_max;
  CHECK(setrlimit(RLIMIT_STACK, &small) == 0);
  CHECK_FAILS(pwrite(other, "s", 1, (off_t)here - (2 << 20)), EIO);
  CHECK(setrlimit(RLIMIT_STACK, &old) == 0);
  CHECK_EQUAL(pwrite(other, "s", 1, (off_t)here - (2 << 20)), 1);
  end_sleeper(pid);
  CHECK(close(other) == 0);
  char* below = (char*)((here - (4 << 20)) & ~(uintptr_t)(kPage - 1));
  CHECK(mmap(below, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == below);
  CHECK_FAILS(pwrite(fd, "s", 1, (off_t)(uintptr_t)below + kPage), EIO);
  CHECK_FAILS(pwrite(fd, "s", 1, (off_t)(uintptr_t)below + 256 * kPage), EIO);
  CHECK_EQUAL(pwrite(fd, "s", 1, (off_t)(uintptr_t)below + 257 * kPage), 1);
  CHECK(munmap(below, kPage) == 0 && close(fd) == 0);

  fd = open_memory(getpid(), O_RDWR | O_APPEND);  // which means nothing here
  CHECK_EQUAL(pwrite(fd, "a", 1, (off_t)here), 1);
  CHECK_EQUAL(byte, 'a');
  CHECK(close(fd) == 0);
  say("below the stack");
}

// Text is read-only and comes from the file: forced writes make the page the process's own.
__attribute__((noinline, noclone)) static int answer(void) {
  __asm__ volatile("");
  return 41;
}

static void forced_text(void) {
  int (*volatile asked)(void) = answer;
  pid_t pid = checked_fork();
  if (pid == 0) {
    unsigned char code[16];
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQUAL(pread(fd, code, sizeof code, (off_t)(uintptr_t)answer), (long)sizeof code);
    CHECK(memcmp(code, (void*)(uintptr_t)answer, sizeof code) == 0);
    unsigned char* immediate = memchr(code, 41, sizeof code);
    CHECK(immediate != NULL);
    CHECK_EQUAL(asked(), 41);
    CHECK_EQUAL(pwrite(fd, "\x2a", 1, (off_t)(uintptr_t)answer + (immediate - code)), 1);
    _exit(asked());
  }
  CHECK_EXITS(pid, 42);
  CHECK_EQUAL(asked(), 41);

  // Shared and read-only: no copy could be made of it.
  char path[] = "/tmp/process_memoryXXXXXX";
  int file = mkstemp(path);
  CHECK(file >= 0);
  CHECK_EQUAL(write(file, "unchanged", 9), 9);
  char* shared = mmap(NULL, kPage, PROT_READ, MAP_SHARED, file, 0);
  CHECK(shared != MAP_FAILED);
  int fd = open("/proc/self/mem", O_RDWR);
  CHECK_FAILS(pwrite(fd, "x", 1, (off_t)(uintptr_t)shared), EIO);
  CHECK(strcmp(shared, "unchanged") == 0);
  CHECK(munmap(shared, kPage) == 0);
  CHECK(close(fd) == 0 && close(file) == 0 && unlink(path) == 0);
  say("forced writes");
}

int main(void) {
  one_vector();
  many_vectors();
  partial();
  vector_errors();
  proc_mem();
  below_the_stack();
  forced_text();
  return 0;
}
