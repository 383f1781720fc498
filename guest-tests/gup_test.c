// SPDX-License-Identifier: GPL-2.0-or-later
//
// /sys/kernel/debug/gup_test, where there is one: on a Linux without CONFIG_GUP_TEST, or without rights, the
// program prints what holds inside and checks nothing.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "check.h"

// Of Linux's mm/gup_test.h.
struct gup_test {
  uint64_t get_delta_usec, put_delta_usec, addr, size;
  uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};
struct pin_longterm_test {
  uint64_t addr, size;
  uint32_t flags;
};
#define GUP_FAST_BENCHMARK _IOWR('g', 1, struct gup_test)
#define PIN_LONGTERM_BENCHMARK _IOWR('g', 3, struct gup_test)
#define GUP_BASIC_TEST _IOWR('g', 4, struct gup_test)
#define PIN_BASIC_TEST _IOWR('g', 5, struct gup_test)
#define PIN_LONGTERM_TEST_START _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP _IO('g', 8)
#define PIN_LONGTERM_TEST_READ _IOW('g', 9, uint64_t)
enum { kUseWrite = 1, kUseFast = 2 };

static int device;

static uint64_t address_of(const void* pointer) { return (uint64_t)(uintptr_t)pointer; }

static int start_pins(const char* memory, size_t bytes, uint32_t flags) {
  struct pin_longterm_test range = {address_of(memory), bytes, flags};
  return ioctl(device, PIN_LONGTERM_TEST_START, &range);
}

static void read_pins(char* to) {
  uint64_t address = address_of(to);
  CHECK_EQUAL(ioctl(device, PIN_LONGTERM_TEST_READ, &address), 0);
}

// How many pages the kernel could have.
static long basic(unsigned long command, const char* memory, size_t bytes, uint32_t write) {
  struct gup_test test = {
      .addr = address_of(memory), .size = bytes, .nr_pages_per_call = 512, .gup_flags = write};
  CHECK_EQUAL(ioctl(device, command, &test), 0);
  return (long)(test.size / kPage);
}

static void basics(void) {
  char* memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  char* constant = map_anonymous(2 * kPage, PROT_READ);
  CHECK_EQUAL(basic(GUP_BASIC_TEST, memory, 4 * kPage, 0), 4);
  CHECK_EQUAL(basic(PIN_BASIC_TEST, memory, 4 * kPage, 1), 4);
  CHECK_EQUAL(basic(GUP_FAST_BENCHMARK, memory, 8 * kPage, 1), 8);
  CHECK_EQUAL(basic(PIN_LONGTERM_BENCHMARK, memory, 8 * kPage, 0), 8);
  CHECK_EQUAL(basic(PIN_BASIC_TEST, constant, 2 * kPage, 0), 2);
  CHECK_EQUAL(basic(PIN_BASIC_TEST, constant, 2 * kPage, 1), 0);
  munmap(memory + 5 * kPage, kPage);
  CHECK_EQUAL(basic(PIN_BASIC_TEST, memory, 5 * kPage, 1), 5);
  CHECK_FAILS(ioctl(device, PIN_BASIC_TEST, (void*)16), EFAULT);
  CHECK_FAILS(ioctl(device, _IOWR('g', 77, struct gup_test), memory), EINVAL);
}

static void long_pins(void) {
  char* memory = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  char* copy = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  uint64_t to = address_of(copy);
  for (int i = 0; i < 3; ++i) memory[i * kPage] = (char)('a' + i);
  CHECK_FAILS(ioctl(device, PIN_LONGTERM_TEST_READ, &to), EINVAL);
  CHECK_FAILS(start_pins(memory + 1, kPage, 0), EINVAL);
  CHECK_FAILS(start_pins(memory, 100, 0), EINVAL);
  CHECK_FAILS(start_pins(memory, 0, 0), EINVAL);
  CHECK_FAILS(start_pins(memory, kPage, 4), EINVAL);
  CHECK_FAILS(start_pins((char*)kPage, kPage, 0), EFAULT);
  CHECK_FAILS(ioctl(device, PIN_LONGTERM_TEST_START, (void*)16), EFAULT);
  CHECK_EQUAL(start_pins(memory, 3 * kPage, kUseFast), 0);
  CHECK_FAILS(start_pins(memory, kPage, 0), EINVAL);  // one set of pins is there
  read_pins(copy);
  for (int i = 0; i < 3; ++i) CHECK_EQUAL(copy[i * kPage], 'a' + i);
  CHECK_FAILS(ioctl(device, PIN_LONGTERM_TEST_READ, (void*)16), EFAULT);
  to = 16;
  CHECK_FAILS(ioctl(device, PIN_LONGTERM_TEST_READ, &to), EFAULT);

  // A pin that may write stays with the program's page, fork or not, and outlives its mapping.
  CHECK_EQUAL(ioctl(device, PIN_LONGTERM_TEST_STOP), 0);
  CHECK_EQUAL(ioctl(device, PIN_LONGTERM_TEST_STOP), 0);
  CHECK_EQUAL(start_pins(memory, 3 * kPage, kUseWrite), 0);
  memory[0] = 'A';
  munmap(memory + kPage, kPage);
  read_pins(copy);
  CHECK_EQUAL(copy[0], 'A');
  CHECK_EQUAL(copy[kPage], 'b');
  munmap(memory, 3 * kPage);
  read_pins(copy);
  CHECK_EQUAL(copy[2 * kPage], 'c');
  munmap(copy, 3 * kPage);
  CHECK_EQUAL(ioctl(device, PIN_LONGTERM_TEST_STOP), 0);
}

int main(void) {
  mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
  device = open("/sys/kernel/debug/gup_test", O_RDWR);
  if (device >= 0) {
    basics();
    long_pins();
    // What is pinned is given back when the file is closed, by the end of the program at the latest.
    char* left = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
    CHECK_EQUAL(start_pins(left, 2 * kPage, kUseWrite), 0);
    pid_t child = fork();
    if (child == 0) _exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  say("references for a moment: ok");
  say("pins for long: ok");
  return 0;
}
