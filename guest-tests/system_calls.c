// SPDX-License-Identifier: GPL-2.0-or-later
//
// What every system call owes its caller: errors as Linux numbers them, addresses that are checked, registers
// that come back; and ENOSYS for a number that nobody knows. Calls without a program of their own are looked
// at here too.
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "check.h"

enum { kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003 };  // arch_prctl(2); musl has no <asm/prctl.h>

static void unknown_numbers(void) {
  static const long numbers[] = {1000, 9999, 0x7fffffff, -1, -4096, 0x100000000};
  for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    // Linux looks at the low 32 bits only: the last one is read(0, NULL, 0).
    long expected = numbers[i] == 0x100000000 ? 0 : -ENOSYS;
    CHECK_EQUAL(raw_syscall(numbers[i], 0, 0, 0, 0, 0, 0), expected);
  }
  CHECK_FAILS(syscall(9999, 1, 2, 3, 4, 5, 6), ENOSYS);
  say("unknown numbers: ENOSYS");
}

static void bad_addresses(void) {
  static const long addresses[] = {0, 16, 0x7fffffffffff, (long)0x8000000000000000, (long)0xffffffff80000000,
                                   -8};
  for (int i = 0; i < 6; i++) {
    CHECK_EQUAL(raw_syscall(SYS_write, 1, addresses[i], 1, 0, 0, 0), -EFAULT);
    CHECK_EQUAL(raw_syscall(SYS_uname, addresses[i], 0, 0, 0, 0, 0), -EFAULT);
    CHECK_EQUAL(raw_syscall(SYS_getrandom, addresses[i], 100, 0, 0, 0, 0), -EFAULT);
    CHECK_EQUAL(raw_syscall(SYS_readlink, addresses[i], 0, 100, 0, 0, 0), -EFAULT);
    if (i > 0) CHECK_EQUAL(raw_syscall(SYS_rt_sigaction, SIGUSR1, addresses[i], 0, 8, 0, 0), -EFAULT);
  }
  char* memory = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);
  CHECK(mprotect(memory + 2 * kPage, kPage, PROT_NONE) == 0);
  CHECK_EQUAL(raw_syscall(SYS_uname, (long)(memory + kPage), 0, 0, 0, 0, 0), -EFAULT);       // only readable
  CHECK_EQUAL(raw_syscall(SYS_uname, (long)(memory + kPage - 16), 0, 0, 0, 0, 0), -EFAULT);  // runs into it
  CHECK_EQUAL(raw_syscall(SYS_write, 1, (long)(memory + 2 * kPage), 1, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)(memory + 2 * kPage - 4), 0, 8, 0, 0),
              -EFAULT);
  CHECK(munmap(memory, 3 * kPage) == 0);
  say("bad addresses: EFAULT");
}

static void descriptors(void) {
  CHECK_FAILS(write(77, "x", 1), EBADF);
  CHECK_FAILS(write(-1, "x", 1), EBADF);
  CHECK_FAILS(read(77, NULL, 0), EBADF);
  CHECK_FAILS(close(77), EBADF);
  CHECK_EQUAL(write(1, "", 0), 0);
  struct iovec parts[4] = {{"three ", 6}, {NULL, 0}, {"parts, ", 7}, {"one line\n", 9}};
  CHECK_EQUAL(writev(1, parts, 4), 22);
  CHECK_EQUAL(writev(1, parts, 0), 0);
  CHECK_EQUAL(raw_syscall(SYS_writev, 1, (long)parts, -1, 0, 0, 0), -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_writev, 1, (long)parts, 1025, 0, 0, 0), -EINVAL);
  CHECK_FAILS(writev(77, parts, 4), EBADF);
  int copy = dup(1);
  CHECK(copy > 2);
  CHECK_EQUAL(write(copy, "by another descriptor\n", 22), 22);
  CHECK(close(copy) == 0);
  CHECK_FAILS(write(copy, "x", 1), EBADF);
  say("descriptors");
}

static void about_this_machine(void) {
  struct utsname name;
  CHECK(uname(&name) == 0);
  CHECK(strcmp(name.sysname, "Linux") == 0);
  CHECK(strcmp(name.machine, "x86_64") == 0);
  CHECK_EQUAL(sysconf(_SC_PAGESIZE), kPage);
  CHECK(getpid() > 0);
  CHECK_EQUAL(raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), getpid());
  int clear_tid;
  CHECK_EQUAL(raw_syscall(SYS_set_tid_address, (long)&clear_tid, 0, 0, 0, 0, 0), getpid());
  char path[256];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = 0;
  CHECK(strncmp(strrchr(path, '/'), "/system_calls", 13) == 0);
  CHECK_EQUAL(readlink("/proc/self/exe", path, 3), 3);
  CHECK_FAILS(readlink("/no/such/file", path, 3), ENOENT);
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  CHECK_FAILS(getrlimit(99, &limit), EINVAL);
  say("about this machine");
}

static void thread_pointer(void) {
  unsigned long fs = 0, self = 0;
  CHECK_EQUAL(raw_syscall(SYS_arch_prctl, kGetFs, (long)&fs, 0, 0, 0, 0), 0);
  __asm__("mov %%fs:0, %0" : "=r"(self));  // the first word of a thread's block is its own address
  CHECK_EQUAL(fs, self);
  CHECK_EQUAL(raw_syscall(SYS_arch_prctl, kSetFs, (long)0xffff800000000000, 0, 0, 0, 0), -EPERM);
  unsigned long gs_value = 0x123456789;
  CHECK_EQUAL(raw_syscall(SYS_arch_prctl, kSetGs, (long)&gs_value, 0, 0, 0, 0), 0);
  for (int i = 0; i < 10; i++) {
    unsigned long read_back;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(read_back));
    CHECK_EQUAL(read_back, 0x123456789);
    getpid();
  }
  CHECK_EQUAL(raw_syscall(SYS_arch_prctl, 0x9999, 0, 0, 0, 0, 0), -EINVAL);
  say("thread pointers");
}

// All registers but RAX, RCX and R11 come back; RCX is the return address, R11 the flags.
static void registers_come_back(void) {
  long rcx, r11, here, flags, others;
  __asm__ volatile(
      "mov $39, %%eax\n"  // getpid
      "mov $0xd1, %%rdi\n mov $0x51, %%rsi\n mov $0xd2, %%rdx\n mov $0x10, %%r10\n mov $0x8, %%r8\n mov "
      "$0x9, %%r9\n"
      "mov $0x12, %%r12\n mov $0x13, %%r13\n mov $0x14, %%r14\n mov $0x15, %%r15\n"
      "std\n pushfq\n pop %%rbx\n"
      "syscall\n"
      "1: cld\n"
      "add %%rsi, %%rdi\n add %%rdx, %%rdi\n add %%r10, %%rdi\n add %%r8, %%rdi\n add %%r9, %%rdi\n"
      "add %%r12, %%rdi\n add %%r13, %%rdi\n add %%r14, %%rdi\n add %%r15, %%rdi\n"
      "mov %%rcx, %%rsi\n lea 1b(%%rip), %%rdx\n mov %%r11, %%rax\n"
      : "=D"(others), "=S"(rcx), "=d"(here), "=a"(r11), "=b"(flags)
      :
      : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  CHECK_EQUAL(others, 0xd1 + 0x51 + 0xd2 + 0x10 + 0x8 + 0x9 + 0x12 + 0x13 + 0x14 + 0x15);
  CHECK_EQUAL(rcx, here);
  CHECK_EQUAL(r11, flags);
  CHECK_EQUAL(flags & 0x600, 0x600);  // IF, and the DF that we set
  say("registers come back");
}

int main(void) {
  unknown_numbers();
  bad_addresses();
  descriptors();
  about_this_machine();
  thread_pointer();
  registers_come_back();
  return 0;
}
