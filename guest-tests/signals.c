// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals a program sends itself and those its instructions raise: masks, pending signals, flags, nesting,
// the alternate stack, and a context that is restored to the last register, flag and byte of the red zone.
#include "check.h"

static volatile int calls;
static volatile int last_code;
static volatile uintptr_t last_address;
static volatile int depth, deepest;

static void count(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  calls++;
  last_code = info->si_code;
  last_address = (uintptr_t)info->si_addr;
}

static void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags, int also_blocked) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags}, old;
  sigemptyset(&action.sa_mask);
  if (also_blocked) sigaddset(&action.sa_mask, also_blocked);
  CHECK(sigaction(signal, &action, NULL) == 0);
  CHECK(sigaction(signal, NULL, &old) == 0);
  CHECK(old.sa_sigaction == handler);
  CHECK_EQUAL(old.sa_flags & (SA_SIGINFO | flags), SA_SIGINFO | flags);
}

static void masks(void) {
  install(SIGUSR1, count, 0, 0);
  install(SIGUSR2, count, 0, 0);
  sigset_t both, old, pending;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  CHECK(sigprocmask(SIG_BLOCK, &both, &old) == 0);
  CHECK(!sigismember(&old, SIGUSR1));
  calls = 0;
  CHECK(raise(SIGUSR1) == 0);
  CHECK(raise(SIGUSR1) == 0);  // a standard signal does not queue
  CHECK(kill(getpid(), SIGUSR2) == 0);
  CHECK_EQUAL(calls, 0);
  CHECK(sigpending(&pending) == 0);
  CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2) && !sigismember(&pending, SIGTERM));
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK_EQUAL(calls, 2);
  CHECK(sigpending(&pending) == 0);
  CHECK(!sigismember(&pending, SIGUSR1));
  CHECK_EQUAL(last_code == SI_USER || last_code == SI_TKILL, 1);

  CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
  CHECK(raise(SIGUSR1) == 0);
  CHECK_EQUAL(calls, 2);
  CHECK_FAILS(kill(getpid(), 65), EINVAL);
  struct sigaction action = {.sa_handler = SIG_IGN};
  CHECK_FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
  CHECK_FAILS(sigaction(SIGSTOP, &action, NULL), EINVAL);
  say("masks and pending signals");
}

static void nest(int signal, siginfo_t* info, void* context) {
  (void)info, (void)context;
  depth++;
  if (depth > deepest) deepest = depth;
  if (calls++ < 5) raise(signal);
  depth--;
}

static void flags(void) {
  calls = depth = deepest = 0;
  install(SIGUSR1, nest, 0, 0);
  raise(SIGUSR1);
  CHECK_EQUAL(calls, 6);
  CHECK_EQUAL(deepest, 1);  // blocked while its handler runs: one after the other
  calls = deepest = 0;
  install(SIGUSR1, nest, SA_NODEFER, 0);
  raise(SIGUSR1);
  CHECK_EQUAL(calls, 6);
  CHECK_EQUAL(deepest, 6);

  install(SIGUSR2, count, SA_RESETHAND, 0);
  raise(SIGUSR2);
  struct sigaction now;
  CHECK(sigaction(SIGUSR2, NULL, &now) == 0);
  CHECK(now.sa_handler == SIG_DFL);
  say("SA_NODEFER and SA_RESETHAND");
}

static volatile int order[4];
static volatile int steps;

static void first(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  order[steps++] = 1;
  raise(SIGUSR2);
  order[steps++] = 2;
}

static void second(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  order[steps++] = 3;
}

static void nesting(void) {
  install(SIGUSR2, second, 0, 0);
  install(SIGUSR1, first, 0, 0);
  steps = 0;
  raise(SIGUSR1);
  CHECK(order[0] == 1 && order[1] == 3 && order[2] == 2);
  install(SIGUSR1, first, 0, SIGUSR2);
  steps = 0;
  raise(SIGUSR1);
  CHECK(order[0] == 1 && order[1] == 2 && order[2] == 3);
  say("sa_mask holds a signal back");
}

static char alternate[64 * 1024];

static void on_alternate(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  char here;
  CHECK(&here > alternate && &here < alternate + sizeof alternate);
  stack_t stack;
  CHECK(sigaltstack(NULL, &stack) == 0);
  CHECK_EQUAL(stack.ss_flags, SS_ONSTACK);
  stack_t other = {.ss_sp = alternate, .ss_size = 8192};
  CHECK_FAILS(sigaltstack(&other, NULL), EPERM);
  CHECK(((ucontext_t*)context)->uc_stack.ss_sp == alternate);
  calls++;
}

static void alternate_stack(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, old;
  CHECK(sigaltstack(&stack, &old) == 0);
  CHECK_EQUAL(old.ss_flags, SS_DISABLE);
  install(SIGUSR1, on_alternate, SA_ONSTACK, 0);
  calls = 0;
  raise(SIGUSR1);
  CHECK_EQUAL(calls, 1);
  stack.ss_size = 100;
  CHECK_FAILS(sigaltstack(&stack, NULL), ENOMEM);
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
  CHECK(sigaltstack(NULL, &stack) == 0);
  CHECK_EQUAL(stack.ss_flags, SS_DISABLE);
  say("the alternate stack");
}

// Fills registers, flags and red zone, executes ud2, and looks at what is left. The handler steps over the
// ud2.
static void step_over(int signal, siginfo_t* info, void* context) {
  (void)signal;
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  CHECK_EQUAL((uintptr_t)info->si_addr, registers[REG_RIP]);
  CHECK_EQUAL(registers[REG_RBX], 0x1111);
  CHECK_EQUAL(registers[REG_R15], 0x1515);
  CHECK_EQUAL(registers[REG_EFL] & 0x8d5, 0x8d5 & ~0x800);  // CF PF AF ZF SF, no OF
  registers[REG_R13] = 0x9999;
  registers[REG_RIP] += 2;
  calls++;
}

static void context_is_restored(void) {
  install(SIGILL, step_over, 0, 0);
  calls = 0;
  long rbx, r13, others, flags_after, red_zone;
  __asm__ volatile(
      "mov $0x1111, %%rbx\n mov $0x1212, %%r12\n mov $0x1313, %%r13\n mov $0x1414, %%r14\n mov $0x1515, "
      "%%r15\n"
      "movq $0x7777, -8(%%rsp)\n movq $0x7778, -128(%%rsp)\n"
      "mov $0xd5, %%eax\n mov %%al, %%ah\n sahf\n"
      "ud2\n"
      "lahf\n movzbl %%ah, %%eax\n"
      "mov -8(%%rsp), %%rcx\n add -128(%%rsp), %%rcx\n"
      "mov %%r13, %%rsi\n lea (%%r12, %%r14), %%rdi\n add %%r15, %%rdi\n"
      : "=&b"(rbx), "=a"(flags_after), "=c"(red_zone), "=S"(r13), "=D"(others)
      :
      : "r12", "r13", "r14", "r15", "memory", "cc");
  CHECK_EQUAL(calls, 1);
  CHECK_EQUAL(rbx, 0x1111);
  CHECK_EQUAL(r13, 0x9999);
  CHECK_EQUAL(others, 0x1212 + 0x1414 + 0x1515);
  CHECK_EQUAL(flags_after, 0xd7);  // bit 1 is always set
  CHECK_EQUAL(red_zone, 0x7777 + 0x7778);
  say("registers, flags and red zone come back, as the handler left them");
}

#define RAISED(statement, the_signal, the_code, vector) \
  do {                                                  \
    CHECK(RAISES(statement));                           \
    CHECK_EQUAL(caught.signal, the_signal);             \
    CHECK_EQUAL(caught.code, the_code);                 \
    CHECK_EQUAL(caught.trapno, vector);                 \
  } while (0)

static void instructions(void) {
  static const int signals[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV};
  for (int i = 0; i < 4; i++) install(signals[i], catch_and_leave, 0, 0);
  RAISED(__asm__ volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0) : "cc"), SIGFPE, FPE_INTDIV, 0);
  RAISED(__asm__ volatile("idiv %%ecx" : : "a"(0x80000000), "d"(-1), "c"(-1) : "cc"), SIGFPE, FPE_INTDIV, 0);
  CHECK_EQUAL(caught.address, caught.rip);
  RAISED(__asm__ volatile("ud2"), SIGILL, ILL_ILLOPN, 6);
  CHECK_EQUAL(caught.address, caught.rip);
  RAISED(__asm__ volatile("int3"), SIGTRAP, SI_KERNEL, 3);
  RAISED(__asm__ volatile("hlt"), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("cli"), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("mov %%cr3, %%rax" : : : "rax"), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("invlpg (%0)" : : "r"(&calls)), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("outb %%al, $0x80" : : "a"(0)), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("wrmsr" : : "a"(0), "c"(0xc0000080), "d"(0)), SIGSEGV, SI_KERNEL, 13);
  RAISED(__asm__ volatile("mov %0, %%ds" : : "r"(0x4000)), SIGSEGV, SI_KERNEL, 13);
  CHECK_EQUAL(caught.error, 0x4000);
  say("instructions that raise signals");
}

int main(void) {
  masks();
  flags();
  nesting();
  alternate_stack();
  context_is_restored();
  instructions();
  return 0;
}
