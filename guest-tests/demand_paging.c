// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory that exists only once it is touched: reads of new memory give zeroes, writes stay where they were
// made, whoever makes them - the program or the kernel on its behalf - and in whatever order.
#include "check.h"

enum { kPages = 64 };

static char bss[kPages * kPage] __attribute__((aligned(kPage)));
static char data[3 * kPage] __attribute__((aligned(kPage))) = {1};

static long sum(const char* memory, size_t bytes) {
  long total = 0;
  for (size_t i = 0; i < bytes; i += 8) total += *(const volatile long*)(memory + i);
  return total;
}

static void reads_before_writes(char* memory) {
  CHECK_EQUAL(sum(memory, kPages * kPage), 0);  // all of it is the zero page now
  for (int i = 0; i < kPages; i += 2) memory[i * kPage + i] = (char)(i + 1);
  for (int i = 0; i < kPages; i++) {
    CHECK_EQUAL(read_byte(memory + i * kPage + i), i % 2 == 0 ? i + 1 : 0);
    CHECK_EQUAL(read_byte(memory + i * kPage + kPage - 1), 0);
  }
}

static void writes_before_reads(char* memory) {
  for (int i = kPages - 1; i >= 0; i--) write_byte(memory + i * kPage + 100, (uint8_t)(i ^ 0x55));
  for (int i = 0; i < kPages; i++) {
    CHECK_EQUAL(read_byte(memory + i * kPage + 100), i ^ 0x55);
    CHECK_EQUAL(read_byte(memory + i * kPage + 99), 0);
    CHECK_EQUAL(read_byte(memory + i * kPage + 101), 0);
  }
}

// One access, two pages, neither there yet.
static void crossing_accesses(void) {
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  *(volatile uint64_t*)(memory + kPage - 3) = 0x1122334455667788;
  CHECK_EQUAL(read_byte(memory + kPage - 1), 0x66);
  CHECK_EQUAL(read_byte(memory + kPage), 0x55);
  CHECK_EQUAL(*(volatile uint64_t*)(memory + 3 * kPage - 4), 0);
  __asm__ volatile("lock xaddq %0, %1" : : "r"(5L), "m"(*(long*)(memory + 3 * kPage - 8)) : "memory");
  CHECK_EQUAL(*(volatile uint32_t*)(memory + 3 * kPage - 8), 5);
  char* end = memory + 2 * kPage - 10;
  __asm__ volatile("rep stosb" : "+D"(end) : "c"(20L), "a"(0x77) : "memory");
  CHECK_EQUAL(end - memory, 2 * kPage + 10);
  CHECK_EQUAL(read_byte(end - 1), 0x77);
  CHECK_EQUAL(read_byte(end), 0);
  CHECK(munmap(memory, 4 * kPage) == 0);
}

// The kernel writes to pages nobody touched, and reads from them.
static void kernel_accesses(void) {
  char* memory = map_anonymous(8 * kPage, PROT_READ | PROT_WRITE);
  CHECK_EQUAL(raw_syscall(SYS_uname, (long)(memory + 2 * kPage - 100), 0, 0, 0, 0, 0), 0);
  CHECK(strcmp(memory + 2 * kPage - 100, "Linux") == 0);
  CHECK_EQUAL(raw_syscall(SYS_getrandom, (long)(memory + 4 * kPage - 8), 16, 0, 0, 0, 0), 16);
  CHECK_EQUAL(read_byte(memory + 4 * kPage - 9), 0);
  CHECK_EQUAL(read_byte(memory + 4 * kPage + 8), 0);
  uint64_t* set = (uint64_t*)(memory + 6 * kPage);  // read by the kernel: the zero page is enough
  CHECK_EQUAL(raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)set, 0, 8, 0, 0), 0);
  CHECK(munmap(memory, 8 * kPage) == 0);
}

static void discarded_memory_is_zero_again(char* memory) {
  CHECK(madvise(memory + kPage, 2 * kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(read_byte(memory + 100), 0 ^ 0x55);
  CHECK_EQUAL(sum(memory + kPage, 2 * kPage), 0);
  CHECK_EQUAL(read_byte(memory + 3 * kPage + 100), 3 ^ 0x55);
  write_byte(memory + kPage, 9);
  CHECK_EQUAL(read_byte(memory + kPage), 9);
}

int main(void) {
  char* memory = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  reads_before_writes(memory);
  CHECK(munmap(memory, kPages * kPage) == 0);
  say("reads give zeroes, writes stay");

  memory = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  writes_before_reads(memory);
  say("writes first, zeroes around them");
  discarded_memory_is_zero_again(memory);
  CHECK(munmap(memory, kPages * kPage) == 0);
  say("discarded memory is zero again");

  CHECK_EQUAL(sum(bss, sizeof bss), 0);
  writes_before_reads(bss);
  CHECK_EQUAL(sum(data, sizeof data), 1);
  write_byte(data + kPage, 2);
  CHECK_EQUAL(sum(data, sizeof data), 3);
  say("data and bss");

  crossing_accesses();
  say("accesses that cross pages");
  kernel_accesses();
  say("accesses by the kernel");
  return 0;
}
