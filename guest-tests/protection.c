// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every access that must not succeed, and what the handler of its SIGSEGV is told: si_code, si_addr, and the
// exception's vector, error code and CR2 in the signal context.
#include "check.h"

enum { kPageFault = 14, kGeneralProtection = 13 };

static const char constant[64] = "constant";

static void expect(const char* what, const volatile void* address, int code, long error) {
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.code, code);
  CHECK_EQUAL(caught.address, (uintptr_t)address);
  CHECK_EQUAL(caught.cr2, (uintptr_t)address);
  CHECK_EQUAL(caught.trapno, kPageFault);
  CHECK_EQUAL(caught.error, error);
  say("%-38s %s, error code 0x%02lx", what, code == SEGV_MAPERR ? "SEGV_MAPERR" : "SEGV_ACCERR", error);
}

static void unmapped(void) {
  CHECK(RAISES(read_byte(NULL)));
  expect("read of the null page", NULL, SEGV_MAPERR, kFaultUser);
  volatile char* low = (volatile char*)0x18;
  CHECK(RAISES(write_byte(low, 1)));
  expect("write to the null page", low, SEGV_MAPERR, kFaultUser | kFaultWrite);

  char* memory = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 1, 3 * kPage);
  CHECK(munmap(memory + kPage, kPage) == 0);
  CHECK(RAISES(read_byte(memory + kPage + 7)));
  expect("read of unmapped memory", memory + kPage + 7, SEGV_MAPERR, kFaultUser);
  CHECK(RAISES(write_byte(memory + 2 * kPage - 1, 2)));
  expect("write to unmapped memory", memory + 2 * kPage - 1, SEGV_MAPERR, kFaultUser | kFaultWrite);
  CHECK(RAISES(*(volatile uint64_t*)(memory + kPage - 4) = 0));
  expect("write that runs into unmapped memory", memory + kPage, SEGV_MAPERR, kFaultUser | kFaultWrite);
  CHECK_EQUAL(read_byte(memory + kPage - 4), 1);  // nothing of it was stored
  CHECK(RAISES(((void (*)(void))(memory + kPage))()));
  expect("jump into unmapped memory", memory + kPage, SEGV_MAPERR, kFaultUser | kFaultFetch);
  CHECK_EQUAL(caught.rip, (uintptr_t)memory + kPage);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 1);
  CHECK(munmap(memory, 3 * kPage) == 0);
}

static void read_only(void) {
  char* memory = map_anonymous(kPage, PROT_READ);
  CHECK(RAISES(write_byte(memory, 1)));
  expect("write to new read-only memory", memory, SEGV_ACCERR, kFaultUser | kFaultWrite);
  CHECK_EQUAL(read_byte(memory), 0);
  CHECK(RAISES(write_byte(memory + 5, 1)));
  expect("write to a read-only zero page", memory + 5, SEGV_ACCERR, kFaultUser | kFaultWrite | kFaultPresent);

  CHECK(mprotect(memory, kPage, PROT_READ | PROT_WRITE) == 0);
  write_byte(memory + 5, 33);
  CHECK(mprotect(memory, kPage, PROT_READ) == 0);
  CHECK(RAISES(write_byte(memory + 6, 1)));
  expect("write after mprotect to read-only", memory + 6, SEGV_ACCERR,
         kFaultUser | kFaultWrite | kFaultPresent);
  CHECK_EQUAL(read_byte(memory + 5), 33);
  CHECK_EQUAL(read_byte(memory + 6), 0);
  CHECK(munmap(memory, kPage) == 0);

  CHECK_EQUAL(read_byte(constant), 'c');
  CHECK(RAISES(write_byte((char*)constant, 'C')));
  expect("write to a constant", constant, SEGV_ACCERR, kFaultUser | kFaultWrite | kFaultPresent);
  CHECK(RAISES(write_byte((void*)read_only, 0x90)));
  expect("write to the program's code", (void*)read_only, SEGV_ACCERR,
         kFaultUser | kFaultWrite | kFaultPresent);
}

static void no_access(void) {
  char* memory = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
  write_byte(memory, 44);
  CHECK(mprotect(memory, 2 * kPage, PROT_NONE) == 0);
  CHECK(RAISES(read_byte(memory)));
  expect("read of PROT_NONE memory", memory, SEGV_ACCERR, kFaultUser);
  CHECK(RAISES(write_byte(memory + 1, 1)));
  expect("write to PROT_NONE memory", memory + 1, SEGV_ACCERR, kFaultUser | kFaultWrite);
  CHECK(RAISES(read_byte(memory + kPage)));
  expect("read of untouched PROT_NONE memory", memory + kPage, SEGV_ACCERR, kFaultUser);
  CHECK(mprotect(memory, 2 * kPage, PROT_READ) == 0);
  CHECK_EQUAL(read_byte(memory), 44);
  CHECK_EQUAL(read_byte(memory + kPage), 0);
  CHECK(munmap(memory, 2 * kPage) == 0);
}

// Only the middle page changes; its neighbours, in what was one mapping, do not.
static void part_of_a_mapping(void) {
  char* memory = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 5, 3 * kPage);
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);
  write_byte(memory + kPage - 1, 6);
  write_byte(memory + 2 * kPage, 7);
  CHECK(RAISES(write_byte(memory + kPage, 8)));
  expect("write to the read-only middle", memory + kPage, SEGV_ACCERR,
         kFaultUser | kFaultWrite | kFaultPresent);
  // An access that crosses is refused as a whole, at the page that refuses it.
  CHECK(RAISES(*(volatile uint64_t*)(memory + kPage - 4) = 0));
  expect("write that runs into it", memory + kPage, SEGV_ACCERR, kFaultUser | kFaultWrite | kFaultPresent);
  CHECK_EQUAL(read_byte(memory + kPage - 1), 6);
  CHECK(RAISES(*(volatile uint64_t*)(memory + 2 * kPage - 4) = 0));
  expect("write that runs out of it", memory + 2 * kPage - 4, SEGV_ACCERR,
         kFaultUser | kFaultWrite | kFaultPresent);
  CHECK_EQUAL(read_byte(memory + 2 * kPage), 7);
  CHECK(mprotect(memory, 3 * kPage, PROT_READ | PROT_WRITE) == 0);
  write_byte(memory + kPage, 8);
  CHECK_EQUAL(read_byte(memory + kPage), 8);
  CHECK(munmap(memory, 3 * kPage) == 0);
}

static void not_canonical(void) {
  volatile char* address = (volatile char*)0x8000000000000000;
  CHECK(RAISES(read_byte(address)));
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.code, SI_KERNEL);
  CHECK_EQUAL(caught.address, 0);
  CHECK_EQUAL(caught.trapno, kGeneralProtection);
  CHECK_EQUAL(caught.error, 0);
  say("%-38s SI_KERNEL, vector 13", "read of a non-canonical address");
  CHECK(RAISES(__asm__ volatile("pushq (%0)" ::"r"(address) : "memory")));  // the operand's, not the stack's
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.trapno, kGeneralProtection);
  say("%-38s SI_KERNEL, vector 13", "push of what is at one");
  address = (volatile char*)0xffffffff80200000;
  CHECK(RAISES(read_byte(address)));
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK_EQUAL(caught.address, (uintptr_t)address);
  CHECK_EQUAL(caught.trapno, kPageFault);
  say("%-38s SEGV_MAPERR", "read of the kernel's memory");
}

// What only the kernel may do, and selectors that name nothing: one local table descriptor, one beyond the
// GDT.
static void privileged(void) {
#define REFUSED(what, text, error_code)                                                          \
  do {                                                                                           \
    CHECK(RAISES(__asm__ volatile(text ::"d"(0x80), "a"(0), "c"(0), "S"(constant) : "memory"))); \
    CHECK_EQUAL(caught.signal, SIGSEGV);                                                         \
    CHECK_EQUAL(caught.code, SI_KERNEL);                                                         \
    CHECK_EQUAL(caught.trapno, kGeneralProtection);                                              \
    CHECK_EQUAL(caught.error, error_code);                                                       \
    say("%-38s SI_KERNEL, vector 13, error code 0x%x", what, error_code);                        \
  } while (0)
  REFUSED("load of a local descriptor", "mov $0x7fff, %%eax; mov %%eax, %%es", 0x7ffc);
  REFUSED("load of a descriptor beyond the GDT", "mov $0xfff8, %%eax; mov %%eax, %%es", 0xfff8);
  REFUSED("in", "inb %%dx, %%al", 0);
  REFUSED("out", "outb %%al, %%dx", 0);
  REFUSED("outs", "outsb", 0);
  REFUSED("hlt", "hlt", 0);
  REFUSED("mov to cr3", "mov %%rax, %%cr3", 0);
  REFUSED("mov from cr8", "mov %%cr8, %%rax", 0);
  REFUSED("invlpg", "invlpg (%%rsi)", 0);
  REFUSED("wrmsr", "wrmsr", 0);
}

// A fault, not a trap: the instruction pointer stays at INT. The gate is there, for the kernel's use only.
static void gates(void) {
  extern const char at_int[];
  REFUSED("int through a gate of the kernel's", "at_int: int $0x81", 0x40a);
  CHECK_EQUAL(caught.rip, (uintptr_t)at_int);
}

// The handler mends the mapping, and the instruction that failed is executed again.
static char* mended;

static void mend(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  CHECK(info->si_addr == mended + 9);
  CHECK(mprotect(mended, kPage, PROT_READ | PROT_WRITE) == 0);
}

static void mended_by_the_handler(void) {
  mended = map_anonymous(kPage, PROT_NONE);
  install_handler(SIGSEGV, mend, 0);
  write_byte(mended + 9, 77);
  CHECK_EQUAL(read_byte(mended + 9), 77);
  install_handler(SIGSEGV, catch_and_leave, 0);
  CHECK(munmap(mended, kPage) == 0);
  say("a handler mends the mapping");
}

int main(int count, char** arguments) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  if (count > 1 && strcmp(arguments[1], "gates") == 0) {
    gates();
    return 0;
  }
  unmapped();
  read_only();
  no_access();
  part_of_a_mapping();
  not_canonical();
  privileged();
  mended_by_the_handler();
  return 0;
}
