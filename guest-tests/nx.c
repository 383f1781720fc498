// SPDX-License-Identifier: GPL-2.0-or-later
//
// Data cannot be executed, whatever kind of data it is, until mprotect says so; and code that is rewritten,
// through whatever mapping, is executed as rewritten.
#include "check.h"

typedef int (*Function)(void);

// mov eax, VALUE; ret
static void write_function(char* place, int value) {
  static const uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(place, code, sizeof code);
  memcpy(place + 1, &value, sizeof value);
}

static int call(const char* place) { return ((Function)place)(); }

static char data[64] __attribute__((aligned(64))) = {(char)0xc3};
static const char constant[64] __attribute__((aligned(64))) = {(char)0xc3};
static char bss[64] __attribute__((aligned(64)));

static void refuses(const char* what, const char* place) {
  CHECK_EQUAL(read_byte(place), 0xc3);
  CHECK(RAISES(call(place)));
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.code, SEGV_ACCERR);
  CHECK_EQUAL(caught.address, (uintptr_t)place);
  CHECK_EQUAL(caught.rip, (uintptr_t)place);
  CHECK_EQUAL(caught.error, kFaultUser | kFaultFetch | kFaultPresent);
  say("%s is not executed", what);
}

static void data_is_not_executed(void) {
  char stack[64] __attribute__((aligned(64)));
  write_byte(stack, 0xc3);
  write_byte(bss, 0xc3);
  char* heap = malloc(64);
  CHECK(heap != NULL);
  write_byte(heap, 0xc3);
  char* mapped = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  write_byte(mapped, 0xc3);
  refuses("initialised data", data);
  refuses("a constant", constant);
  refuses("bss", bss);
  refuses("the stack", stack);
  refuses("the heap", heap);
  refuses("a mapping", mapped);
  free(heap);
  CHECK(munmap(mapped, kPage) == 0);
}

static void mprotect_decides(void) {
  char* memory = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  for (int value = 100; value < 110; value++) {
    CHECK(mprotect(memory, kPage, PROT_READ | PROT_WRITE) == 0);
    write_function(memory, value);
    CHECK(RAISES(call(memory)));
    CHECK_EQUAL(caught.code, SEGV_ACCERR);
    CHECK(mprotect(memory, kPage, PROT_READ | PROT_EXEC) == 0);
    CHECK_EQUAL(call(memory), value);
    CHECK(RAISES(write_byte(memory, 0)));
    CHECK_EQUAL(caught.code, SEGV_ACCERR);
    CHECK_EQUAL(caught.error, kFaultUser | kFaultWrite | kFaultPresent);
  }
  CHECK(munmap(memory, kPage) == 0);
  say("mprotect decides what is executed");
}

static void rewritten_code(void) {
  char* memory = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int value = 0; value < 200; value++) {
    write_function(memory + 2048, value);
    CHECK_EQUAL(call(memory + 2048), value);
  }
  // Across a page boundary: the first page keeps the opcode, the second holds the changing operand.
  for (int value = 0; value < 200; value++) {
    write_function(memory + kPage - 1, value * 7);
    CHECK_EQUAL(call(memory + kPage - 1), value * 7);
  }
  say("rewritten code is executed as rewritten");

  // The second page, which the instruction straddles into, loses its right to be executed, then its contents.
  CHECK(mprotect(memory + kPage, kPage, PROT_READ) == 0);
  CHECK(RAISES(call(memory + kPage - 1)));
  CHECK_EQUAL(caught.code, SEGV_ACCERR);
  CHECK_EQUAL(caught.address, (uintptr_t)memory + kPage);
  CHECK_EQUAL(caught.rip, (uintptr_t)memory + kPage - 1);
  CHECK(munmap(memory + kPage, kPage) == 0);
  CHECK(RAISES(call(memory + kPage - 1)));
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK_EQUAL(caught.address, (uintptr_t)memory + kPage);
  CHECK_EQUAL(caught.rip, (uintptr_t)memory + kPage - 1);
  CHECK(munmap(memory, kPage) == 0);
  say("an instruction that straddles into a refused page is refused there");
}

// Of several instructions before a refused page, all but the one that straddles into it are executed, and
// each once.
static void instructions_before_a_refused_page(void) {
  unsigned char* memory = (unsigned char*)map_anonymous(2 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC);
  CHECK(mprotect(memory + kPage, kPage, PROT_NONE) == 0);
  memory[kPage - 2] = 0xb8;  // mov, of which three bytes are beyond
  static volatile int count;
  for (int instructions = 0; instructions < 40; instructions++) {
    unsigned char* first = memory + kPage - 2 - 2 * instructions;
    for (unsigned char* at = first; at < memory + kPage - 2; at += 2) {
      at[0] = 0xff;  // incl (%rdi)
      at[1] = 0x07;
    }
    count = 0;
    CHECK(RAISES(((void (*)(volatile int*))first)(&count)));
    CHECK_EQUAL(caught.rip, (uintptr_t)memory + kPage - 2);
    CHECK_EQUAL(caught.address, (uintptr_t)memory + kPage);
    CHECK_EQUAL(count, instructions);
  }
  say("what comes before an instruction that is refused is executed");
}

// New memory at the same place holds nothing of the old code.
static void replaced_mapping(void) {
  char* memory = map_anonymous(kPage, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int value = 1; value < 20; value++) {
    write_function(memory, value);
    CHECK_EQUAL(call(memory), value);
    CHECK(mmap(memory, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == memory);
    CHECK_EQUAL(read_byte(memory), 0);
  }
  CHECK(munmap(memory, kPage) == 0);
  say("a new mapping holds nothing of the old code");
}

// A store into the page that it is executed from, onto the very next instruction.
static void own_page(void) {
  unsigned char* page = (unsigned char*)map_anonymous(kPage, PROT_READ | PROT_WRITE | PROT_EXEC);
  static const unsigned char kCode[] = {
      0xb8, 7,    0, 0, 0,           // mov $7, %eax
      0xc6, 0x05, 1, 0, 0, 0, 0x5a,  // movb $0x5a, the operand of the next but one
      0xb8, 1,    0, 0, 0,           // mov $1, %eax: becomes 0x5a
      0xc3,
  };
  memcpy(page, kCode, sizeof kCode);
  for (int i = 0; i < 100; i++) {
    page[13] = 1;
    CHECK_EQUAL(((int (*)(void))page)(), 0x5a);
  }
  say("code that stores into its own page executes what it stored");
}

int main(void) {
  install_handler(SIGSEGV, catch_and_leave, 0);
  data_is_not_executed();
  mprotect_decides();
  rewritten_code();
  instructions_before_a_refused_page();
  replaced_mapping();
  own_page();
  return 0;
}
