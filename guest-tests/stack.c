// SPDX-License-Identifier: GPL-2.0-or-later
//
// The stack grows when it is used, in small steps or in large ones, up to RLIMIT_STACK; what lies beyond is
// SIGSEGV, which only a handler with a stack of its own can see - twice, if it happens twice.
#include <sys/resource.h>

#include "check.h"

static size_t stack_limit;
static char* stack_top;  // of main's frame: close enough to the stack's own
static char* deepest;

__attribute__((noinline)) static int recurse(int depth) {
  volatile char frame[1000];
  frame[0] = (char)depth;
  int below = depth > 0 ? recurse(depth - 1) : 0;
  return below + (frame[0] == (char)depth);
}

static void small_steps(void) {
  int depth = (int)(stack_limit / 2 / 1024);
  CHECK_EQUAL(recurse(depth), depth + 1);
  say("recursion through half of the stack");
}

// Far below the stack pointer, and from there upwards: no order is required.
__attribute__((noinline)) static void large_step(void) {
  volatile char* far = stack_top - stack_limit * 3 / 4;
  *far = 1;
  CHECK_EQUAL(read_byte(far + kPage), 0);
  CHECK_EQUAL(read_byte(far), 1);
  say("a store far below the stack pointer");
}

static int endless(int depth);
static int (*volatile again)(int) =
    endless;  // what the compiler cannot see, it neither warns of nor turns into a loop

static int endless(int depth) {
  volatile char frame[4000];
  deepest = (char*)frame;
  frame[0] = (char)depth;
  return again(depth + 1) + frame[0];
}

static void overflow(const char* which) {
  CHECK(RAISES(endless(0)));
  CHECK_EQUAL(caught.signal, SIGSEGV);
  CHECK_EQUAL(caught.code, SEGV_MAPERR);
  CHECK_EQUAL(caught.error & kFaultUser, kFaultUser);
  CHECK_EQUAL(caught.address, caught.cr2);
  size_t used = (size_t)(stack_top - (char*)caught.address);
  CHECK(used > stack_limit * 7 / 8);
  CHECK(used < stack_limit + 16 * kPage);
  CHECK((uintptr_t)deepest - caught.address < 2 * kPage);
  say("%s overflow: SEGV_MAPERR at the end of the stack", which);
}

int main(void) {
  char here;
  stack_top = &here;
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  CHECK_EQUAL(limit.rlim_cur, 8 << 20);
  stack_limit = limit.rlim_cur;

  static char alternate[64 * 1024];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  CHECK(sigaltstack(&stack, NULL) == 0);
  install_handler(SIGSEGV, catch_and_leave, SA_ONSTACK);

  small_steps();
  large_step();
  overflow("first");
  overflow("second");
  CHECK(sigaltstack(NULL, &stack) == 0);
  CHECK_EQUAL(stack.ss_flags, 0);  // we left it by siglongjmp
  CHECK_EQUAL(recurse(100), 101);
  return 0;
}
