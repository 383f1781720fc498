// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the guest programs share: saying things, checking things, and catching the signal that an access
// raises.
//
// Programs print only what every run on every machine prints: no addresses, no pids, no times. say() writes
// at once, by write(2) and without the heap, so that nothing is lost when the program is killed and no page
// is touched that the test did not mean to touch. A CHECK that does not hold says where, and ends the program
// with status 1.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <ucontext.h>
#include <unistd.h>

enum { kPage = 4096 };

static inline void write_all(const char* text, size_t bytes) {
  while (bytes > 0) {
    ssize_t written = write(1, text, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) _exit(111);
    text += written;
    bytes -= (size_t)written;
  }
}

// One line on standard output.
__attribute__((format(printf, 1, 2))) static inline void say(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  write_all(line, (size_t)length);
}

#define CHECK(condition)                                                                    \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      int check_errno = errno;                                                              \
      say("FAILED %s:%d: %s (errno %d)", __FILE_NAME__, __LINE__, #condition, check_errno); \
      _exit(1);                                                                             \
    }                                                                                       \
  } while (0)

// Both values are printed when they differ.
#define CHECK_EQUAL(actual, expected)                                                               \
  do {                                                                                              \
    long long check_actual = (long long)(actual), check_expected = (long long)(expected);           \
    if (check_actual != check_expected) {                                                           \
      say("FAILED %s:%d: %s is %lld (0x%llx), not %lld (0x%llx)", __FILE_NAME__, __LINE__, #actual, \
          check_actual, check_actual, check_expected, check_expected);                              \
      _exit(1);                                                                                     \
    }                                                                                               \
  } while (0)

// The call must fail with this errno.
#define CHECK_FAILS(call, error)    \
  do {                              \
    errno = 0;                      \
    CHECK((long long)(call) == -1); \
    CHECK_EQUAL(errno, error);      \
  } while (0)

// Not so on a Linux, which may be older than what is tested.
static inline bool on_minikernel(void) {
  struct utsname name;
  return uname(&name) == 0 && strstr(name.release, "minikernel") != NULL;
}

// The compiler must neither remove nor merge these.
static inline uint8_t read_byte(const volatile void* address) { return *(const volatile uint8_t*)address; }
static inline void write_byte(volatile void* address, uint8_t value) { *(volatile uint8_t*)address = value; }

static inline char* map_anonymous(size_t bytes, int protection) {
  char* memory = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

// The kernel's answer itself: the result or minus the error number, whatever the C library makes of it.
static inline long raw_syscall(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

// What the handler saw when it was called.
struct Caught {
  int signal;
  int code;
  uintptr_t address;  // si_addr
  uintptr_t rip;
  long trapno;
  long error;
  uintptr_t cr2;
};

static volatile struct Caught caught;
static sigjmp_buf after_signal;

static inline void catch_and_leave(int signal, siginfo_t* info, void* context) {
  const greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  caught.signal = signal;
  caught.code = info->si_code;
  caught.address = (uintptr_t)info->si_addr;
  caught.rip = (uintptr_t)registers[REG_RIP];
  caught.trapno = registers[REG_TRAPNO];
  caught.error = registers[REG_ERR];
  caught.cr2 = (uintptr_t)registers[REG_CR2];
  siglongjmp(after_signal, 1);
}

static inline void install_handler(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(signal, &action, NULL) == 0);
}

// Runs a statement; true when `caught` was filled because it raised a signal that catch_and_leave handles.
#define RAISES(statement)                     \
  ({                                          \
    volatile bool raised = true;              \
    memset((void*)&caught, 0, sizeof caught); \
    if (sigsetjmp(after_signal, 1) == 0) {    \
      statement;                              \
      raised = false;                         \
    }                                         \
    raised;                                   \
  })

// Bits of the page-fault error code (SDM vol. 3, 4.7).
enum { kFaultPresent = 1, kFaultWrite = 2, kFaultUser = 4, kFaultFetch = 16 };
