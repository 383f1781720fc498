// SPDX-License-Identifier: GPL-2.0-or-later
//
// CR2 names the byte that was wanted, whatever instruction wanted it: operands of every kind, the stack,
// strings, bit offsets, operands that begin in the page before.
#include "check.h"

static char* refused;  // a page without rights, between two that may be used
static char buffer[64] __attribute__((aligned(64)));
static unsigned forms;

static void expect(const char* what, bool raised, const char* address, long error) {
  if (!raised) say("FAILED: %s raised nothing", what);
  CHECK(raised);
  if (caught.cr2 != (uintptr_t)address || caught.address != caught.cr2 || caught.error != error)
    say("FAILED: %s: cr2 is page + %ld, not page + %ld; error 0x%lx, not 0x%lx", what,
        (long)(caught.cr2 - (uintptr_t)refused), (long)(address - refused), caught.error, error);
  CHECK_EQUAL(caught.cr2, (uintptr_t)address);
  CHECK_EQUAL(caught.address, (uintptr_t)address);
  CHECK_EQUAL(caught.error, error);
  forms++;
}

// One instruction with the address in RDI (and RSI, RBX), expected to want ADDRESS.
#define REFUSED(text, base, address, error)                                          \
  expect(text, RAISES(({                                                             \
           char* pointer = base;                                                     \
           __asm__ volatile("mov %%rsp, %%r12; cld; " text "; mov %%r12, %%rsp"      \
                            : "+D"(pointer)                                          \
                            : "a"(0x7fL), "b"(buffer), "c"(5L), "d"(0L), "S"(buffer) \
                            : "r8", "r9", "r10", "r12", "xmm0", "memory", "cc");     \
         })),                                                                        \
         address, error)
#define READS(text, base, address) REFUSED(text, base, address, kFaultUser)
#define WRITES(text, base, address) REFUSED(text, base, address, kFaultUser | kFaultWrite)

static void operands(void) {
  char* at = refused + 0x123;
  READS("movb (%%rdi), %%al", at, at);
  READS("movq (%%rdi), %%rax", at, at);
  WRITES("movw %%ax, (%%rdi)", at, at);
  WRITES("movl $7, 0x40(%%rdi)", at, at + 0x40);
  READS("mov -0x40(%%rdi,%%rcx,8), %%eax", at, at - 0x40 + 40);
  READS("mov $-3, %%r8; lea (%%rdi), %%r9; mov (%%r9,%%r8,4), %%eax", at, at - 12);
  READS("add (%%rdi), %%rax", at, at);
  READS("cmpb $1, (%%rdi)", at, at);
  READS("test %%rax, (%%rdi)", at, at);
  READS("testb $0x20, 1(%%rdi)", at, at + 1);
  READS("cmpl $1, (%%rdi)", at, at);
  READS("sub (%%rdi), %%eax", at, at);
  READS("xor (%%rdi), %%rax", at, at);
  READS("movzbl (%%rdi), %%eax", at, at);
  READS("imul $3, (%%rdi), %%eax", at, at);
  READS("divq (%%rdi)", at, at);
  WRITES("sete (%%rdi)", at, at);
  WRITES("movnti %%rax, (%%rdi)", at, at);
  READS("call *(%%rdi)", at, at);
  READS("jmp *0x10(%%rdi)", at, at + 0x10);
  READS("prefetcht0 (%%rdi); mov (%%rdi), %%eax", at, at);
  READS("lea 9(%%rdi), %%r8; mov (%%r8), %%eax", at, at + 9);
  say("operands");
}

// What is read and written is a write from the start: one fault, not two.
static void read_modify_write(void) {
  char* at = refused + 0x680;
  WRITES("incl (%%rdi)", at, at);
  WRITES("addl $1, (%%rdi)", at + 1, at + 1);
  WRITES("notb (%%rdi)", at + 2, at + 2);
  WRITES("shlq $3, (%%rdi)", at + 3, at + 3);
  WRITES("lock decl (%%rdi)", at, at);
  WRITES("xchg %%eax, (%%rdi)", at, at);
  WRITES("lock xadd %%eax, (%%rdi)", at, at);
  WRITES("cmpxchg %%ecx, (%%rdi)", at, at);
  WRITES("lock cmpxchg %%ecx, (%%rdi)", at, at);
  WRITES("cmpxchg16b (%%rdi)", at, at);
  WRITES("btsl $5, (%%rdi)", at, at);
  WRITES("sbb %%rax, (%%rdi)", at, at);
  say("read, modify, write");
}

static void strings(void) {
  char* at = refused + 0x345;
  READS("xchg %%rdi, %%rsi; movsb", at, at);
  WRITES("movsb", at, at);
  WRITES("stosq", at, at);
  READS("mov %%rdi, %%rsi; lodsl", at, at);
  READS("scasb", at, at);
  READS("xchg %%rdi, %%rsi; cmpsb", at, at);
  WRITES("rep stosb", refused - 3, refused);
  WRITES("rep movsb", refused - 2, refused);
  WRITES("std; rep stosb; cld", refused + kPage + 1, refused + kPage - 1);
  READS("mov %%rdi, %%rbx; xlatb", at, at + 0x7f);
  say("strings");
}

static void the_stack(void) {
  char* at = refused + 0x400;
  WRITES("mov %%rdi, %%rsp; push %%rax", at, at - 8);
  WRITES("mov %%rdi, %%rsp; pushw %%ax", at, at - 2);
  WRITES("mov %%rdi, %%rsp; pushfq", at, at - 8);
  WRITES("mov %%rdi, %%rsp; call 1f; 1:", at, at - 8);
  READS("mov %%rdi, %%rsp; pop %%rax", at, at);
  READS("mov %%rdi, %%rsp; popfq", at, at);
  READS("mov %%rdi, %%rsp; ret", at, at);
  READS("mov %%rdi, %%rsp; ret $16", at, at);
  READS("pushq 8(%%rdi)", at, at + 8);
  WRITES("mov %%rdi, %%rsp; pushq (%%rsi)", at, at - 8);
  WRITES("push %%rax; popq 8(%%rdi)", at, at + 8);
  READS("mov %%rbp, %%r10; mov %%rdi, %%rbp; leave; mov %%r10, %%rbp", at, at);
  say("the stack");
}

static void bits(void) {
  char* at = refused + 0x800;
  READS("bt %%eax, (%%rdi)", at, at + 0x7f / 32 * 4);
  READS("mov $-1, %%r8; bt %%r8, (%%rdi)", at, at - 8);
  READS("mov $100000, %%r8d; sub $100000/8, %%rdi; bt %%r8d, (%%rdi)", at, at);
  READS("btl $5, (%%rdi)", at, at);
  say("bits");
}

static void vectors(void) {
  char* at = refused + 0x500;
  READS("movdqu (%%rdi), %%xmm0", at + 1, at + 1);
  READS("movaps (%%rdi), %%xmm0", at, at);
  WRITES("movups %%xmm0, (%%rdi)", at + 3, at + 3);
  WRITES("movntdq %%xmm0, (%%rdi)", at, at);
  WRITES("movd %%xmm0, (%%rdi)", at + 2, at + 2);
  READS("movsd (%%rdi), %%xmm0", at + 4, at + 4);
  READS("paddd (%%rdi), %%xmm0", at, at);
  READS("fldl (%%rdi)", at + 7, at + 7);
  READS("fildll (%%rdi)", at + 7, at + 7);
  WRITES("fnstcw (%%rdi)", at + 1, at + 1);
  WRITES("stmxcsr (%%rdi)", at, at);
  say("vectors and x87");
}

static void over_the_edge(void) {
  READS("movq (%%rdi), %%rax", refused - 4, refused);
  WRITES("movl %%eax, (%%rdi)", refused - 1, refused);
  READS("movdqu (%%rdi), %%xmm0", refused - 5, refused);
  WRITES("movups %%xmm0, (%%rdi)", refused - 12, refused);
  WRITES("mov %%rdi, %%rsp; push %%rax", refused + kPage + 4, refused + kPage - 4);
  say("over the edge");
}

static void fetches(void) {
  char* at = refused + 0x210;
  REFUSED("jmp *%%rdi", at, at, kFaultUser | kFaultFetch);
  REFUSED("call *%%rdi", at, at, kFaultUser | kFaultFetch);
  REFUSED("mov %%rdi, (%%rsi); mov %%rsi, %%rsp; ret", at, at, kFaultUser | kFaultFetch);
  say("fetches");
}

int main(int count, char** arguments) {
  static char alternate[65536];
  const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  CHECK(sigaltstack(&stack, NULL) == 0);
  install_handler(SIGSEGV, catch_and_leave, SA_ONSTACK);
  char* memory = map_anonymous(3 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 1, 3 * kPage);
  refused = memory + kPage;
  CHECK(munmap(refused, kPage) == 0);
  if (count > 1 && strcmp(arguments[1], "read-modify-write") == 0) {
    read_modify_write();
    return 0;
  }
  operands();
  strings();
  the_stack();
  bits();
  vectors();
  over_the_edge();
  fetches();
  say("%u forms", forms);
  return 0;
}
