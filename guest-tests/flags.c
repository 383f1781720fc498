// SPDX-License-Identifier: GPL-2.0-or-later
//
// RFLAGS is the program's own: the kernel's doings, and those of the machine behind an instruction, leave it
// alone.
#include <sys/syscall.h>

#include "check.h"

enum { kCf = 1, kPf = 4, kAf = 0x10, kZf = 0x40, kSf = 0x80, kDf = 0x400, kOf = 0x800 };
static const uint64_t patterns[] = {0,   kCf, kPf,       kAf,       kZf,
                                    kSf, kOf, kDf | kCf, kZf | kPf, kCf | kPf | kAf | kZf | kSf | kDf | kOf};
enum { kAll = kCf | kPf | kAf | kZf | kSf | kDf | kOf };

// The stack pointer is moved out of the red zone's way.
#define FLAGS_AFTER(flags, instruction, ...)                             \
  ({                                                                     \
    uint64_t result_;                                                    \
    asm volatile("lea -128(%%rsp), %%rsp; push %1; popfq; " instruction  \
                 "; pushfq; pop %0; cld; "                               \
                 "lea 128(%%rsp), %%rsp"                                 \
                 : "=&r"(result_)                                        \
                 : "r"((uint64_t)(flags) | 2) __VA_OPT__(, ) __VA_ARGS__ \
                 : "rax", "rbx", "rcx", "rdx", "r11", "memory", "cc");   \
    result_ & kAll;                                                      \
  })

int main(void) {
  char* fresh = map_anonymous(64 * kPage, PROT_READ | PROT_WRITE);
  for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; ++i) {
    const uint64_t flags = patterns[i];
    CHECK_EQUAL(FLAGS_AFTER(flags, "nop"), flags);
    CHECK_EQUAL(FLAGS_AFTER(flags, "mov $39, %%eax; syscall"), flags);  // getpid
    CHECK_EQUAL(FLAGS_AFTER(flags, "mov $0, %%eax; mov $0, %%ecx; cpuid"), flags);
    CHECK_EQUAL(FLAGS_AFTER(flags, "rdtsc"), flags);
    CHECK_EQUAL(FLAGS_AFTER(flags, "movb $1, (%2)", "r"(fresh + i * kPage)), flags);
    CHECK_EQUAL(FLAGS_AFTER(flags, "mov (%2), %%al; mov $39, %%eax; syscall", "r"(fresh + (32 + i) * kPage)),
                flags);
    say("0x%03lx is kept", flags);
  }
  return 0;
}
