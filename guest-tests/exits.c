// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ways to end: `exits WAY [NUMBER]`. What was to be done at the exit is done, or not, as the way asks.
#include "check.h"

static void at_exit_first(void) { say("registered first, runs last"); }
static void at_exit_second(void) { say("registered second, runs first"); }

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "return";
  int number = argc > 2 ? atoi(argv[2]) : 0;
  CHECK(atexit(at_exit_first) == 0);
  CHECK(atexit(at_exit_second) == 0);
  printf("still in the buffer ");  // and so lost by _exit
  if (strcmp(way, "return") == 0) return number;
  if (strcmp(way, "exit") == 0) exit(number);
  if (strcmp(way, "_exit") == 0) _exit(number);
  if (strcmp(way, "thread-exit") == 0) raw_syscall(SYS_exit, number, 0, 0, 0, 0, 0);  // of the only thread
  if (strcmp(way, "abort") == 0) abort();
  if (strcmp(way, "kill") == 0) kill(getpid(), number);
  if (strcmp(way, "divide") == 0) __asm__ volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0) : "cc");
  if (strcmp(way, "illegal") == 0) __asm__ volatile("ud2");
  if (strcmp(way, "trap") == 0) __asm__ volatile("int3");
  if (strcmp(way, "null") == 0) write_byte(NULL, 1);
  if (strcmp(way, "jump") == 0) ((void (*)(void))16)();
  if (strcmp(way, "no-stack") == 0) __asm__ volatile("xor %%esp, %%esp\n push %%rax" : : : "memory");
  if (strcmp(way, "handler-without-stack") == 0) {
    // Not even the handler's frame can be written: the signal kills.
    install_handler(SIGSEGV, catch_and_leave, 0);
    __asm__ volatile("mov $64, %%esp\n push %%rax" : : : "memory");
  }
  if (strcmp(way, "blocked") == 0) {
    // A fault that the program blocked kills it, handler or not.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    install_handler(SIGSEGV, catch_and_leave, 0);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    write_byte(NULL, 1);
  }
  if (strcmp(way, "ignored") == 0) {
    CHECK(signal(SIGSEGV, SIG_IGN) != SIG_ERR);
    write_byte(NULL, 1);
  }
  say("still alive");
  return 1;
}
