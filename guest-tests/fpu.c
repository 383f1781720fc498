// SPDX-License-Identifier: GPL-2.0-or-later
//
// x87 and SSE state belong to the program: system calls and page faults leave them alone; a signal handler
// starts with the initial state, finds the interrupted one in its context, may change it there, and must not
// disturb it otherwise.
#include "check.h"

enum { kDefaultMxcsr = 0x1f80, kDefaultControl = 0x37f };

struct State {
  uint8_t xmm[16][16];
  uint32_t mxcsr;
  uint16_t control;
  long double st[4];
};

static void make_state(struct State* state, int seed) {
  memset(state, 0, sizeof *state);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 16; j++) state->xmm[i][j] = (uint8_t)(seed + i * 16 + j);
  }
  state->mxcsr = kDefaultMxcsr | 0x6000;      // round towards zero
  state->control = kDefaultControl | 0x0800;  // round up
  for (int i = 0; i < 4; i++) state->st[i] = seed + i + 1.0L / 3;
}

// Loads the state, does one system call or one store, and says in `after` what became of the state. All in
// one statement: a compiler may use these registers between two.
static long run_with_state(const struct State* before, struct State* after, long number, long first,
                           long second, char* store) {
  long result = number;
  __asm__ volatile(
      "fninit\n fldt 48+%c[st](%[b])\n fldt 32+%c[st](%[b])\n fldt 16+%c[st](%[b])\n fldt %c[st](%[b])\n"
      "fldcw %c[cw](%[b])\n ldmxcsr %c[mx](%[b])\n"
      ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups 16*\\n(%[b]), %%xmm\\n\n .endr\n"
      "test %[store], %[store]\n jz 1f\n movb $1, (%[store])\n jmp 2f\n"
      "1: syscall\n"
      "2:\n"
      ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups %%xmm\\n, 16*\\n(%[a])\n .endr\n"
      "stmxcsr %c[mx](%[a])\n fnstcw %c[cw](%[a])\n"
      "fstpt %c[st](%[a])\n fstpt 16+%c[st](%[a])\n fstpt 32+%c[st](%[a])\n fstpt 48+%c[st](%[a])\n"
      "fninit\n ldmxcsr %[default_mxcsr]\n"
      : "+a"(result)
      : [b] "r"(before), [a] "r"(after), [store] "r"(store), "D"(first), "S"(second),
        [st] "i"(__builtin_offsetof(struct State, st)), [cw] "i"(__builtin_offsetof(struct State, control)),
        [mx] "i"(__builtin_offsetof(struct State, mxcsr)),
        [default_mxcsr] "m"((const uint32_t){kDefaultMxcsr})
      : "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)",
        "st(4)", "st(5)", "st(6)", "st(7)");
  return result;
}

static void same(const struct State* actual, const struct State* expected) {
  for (int i = 0; i < 16; i++) CHECK(memcmp(actual->xmm[i], expected->xmm[i], 16) == 0);
  CHECK_EQUAL(actual->mxcsr, expected->mxcsr);
  CHECK_EQUAL(actual->control, expected->control);
  for (int i = 0; i < 4; i++) CHECK(memcmp(&actual->st[i], &expected->st[i], 10) == 0);
}

static void system_calls_and_faults(void) {
  struct State before, after;
  make_state(&before, 1);
  memset(&after, 0, sizeof after);
  CHECK_EQUAL(run_with_state(&before, &after, SYS_getpid, 0, 0, NULL), getpid());
  same(&after, &before);
  say("a system call leaves the state alone");

  char* memory = map_anonymous(64 * kPage, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 64; i++) {
    make_state(&before, i);
    memset(&after, 0, sizeof after);
    run_with_state(&before, &after, 0, 0, 0, memory + i * kPage);
    same(&after, &before);
    CHECK_EQUAL(read_byte(memory + i * kPage), 1);
  }
  CHECK(munmap(memory, 64 * kPage) == 0);
  say("page faults leave the state alone");
}

static struct State interrupted;
static int change;       // what the handler writes to XMM5 in its context, unless 0
static char* no_access;  // what it makes writable

static void handler(int signal, siginfo_t* info, void* context) {
  uint32_t mxcsr;
  uint16_t control;
  __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(control));
  CHECK_EQUAL(mxcsr, kDefaultMxcsr);
  CHECK_EQUAL(control, kDefaultControl);

  fpregset_t state = ((ucontext_t*)context)->uc_mcontext.fpregs;
  CHECK(state != NULL);
  CHECK_EQUAL(state->mxcsr, interrupted.mxcsr);
  CHECK_EQUAL(state->cwd, interrupted.control);
  for (int i = 0; i < 16; i++) CHECK(memcmp(&state->_xmm[i], interrupted.xmm[i], 16) == 0);
  for (int i = 0; i < 4; i++) CHECK(memcmp(&state->_st[i], &interrupted.st[i], 10) == 0);
  if (change) memset(&state->_xmm[5], change, 16);

  struct State own, seen;  // use everything: nothing of it may reach the interrupted code
  make_state(&own, 77);
  run_with_state(&own, &seen, SYS_getpid, 0, 0, NULL);
  same(&seen, &own);
  if (signal == SIGSEGV) {
    CHECK(info->si_addr == no_access);
    CHECK(mprotect(no_access, kPage, PROT_READ | PROT_WRITE) == 0);
  }
}

// With the signal sent by the program to itself (store == NULL) or raised by a store that the handler makes
// possible.
static void signals(const char* what, bool by_store) {
  install_handler(SIGUSR1, handler, 0);
  install_handler(SIGSEGV, handler, 0);
  for (int i = 0; i < 8; i++) {
    struct State after;
    memset(&after, 0, sizeof after);
    make_state(&interrupted, i * 5);
    change = i % 2 == 0 ? 0 : 0xa0 + i;
    no_access = map_anonymous(kPage, PROT_NONE);
    run_with_state(&interrupted, &after, SYS_kill, getpid(), SIGUSR1, by_store ? no_access : NULL);
    if (by_store) CHECK_EQUAL(read_byte(no_access), 1);
    if (change) memset(interrupted.xmm[5], change, 16);
    same(&after, &interrupted);
    CHECK(munmap(no_access, kPage) == 0);
  }
  say("%s", what);
}

int main(void) {
  system_calls_and_faults();
  signals("a signal during a system call leaves it alone, and its handler may change it", false);
  signals("so does a signal that a fault raised", true);
  return 0;
}
