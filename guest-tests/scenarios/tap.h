// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the scenario programs share: reports in TAP, and the kernel's count of page copies.
//
// Each scenario is a self-test as for Linux: it observes values and knows nothing of how the kernel does it.
// The copies are a diagnostic line, `# copies: N`, because Linux has no counter for them.
#pragma once

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kPage = 4096 };

static int tap_tests, tap_failed;

__attribute__((format(printf, 1, 2))) static inline void tap_line(const char* format, ...) {
  char line[300];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  if (write(1, line, (size_t)length) != length) _exit(111);
}

static inline void tap_plan(int tests) {
  tap_line("TAP version 13");
  tap_line("1..%d", tests);
}

static inline void ok(bool good, const char* what) {
  tap_line("%s %d - %s", good ? "ok" : "not ok", ++tap_tests, what);
  if (!good) tap_failed++;
}

// What a scenario needs, but does not test.
#define MUST(condition)                                                                           \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      tap_line("Bail out! %s:%d: %s (%s)", __FILE_NAME__, __LINE__, #condition, strerror(errno)); \
      _exit(2);                                                                                   \
    }                                                                                             \
  } while (0)

static inline int tap_end(void) { return tap_failed ? 1 : 0; }

static inline int at(const volatile char* address) { return *address; }
static inline void put(volatile char* address, int value) { *address = (char)value; }

static inline char* private_pages(size_t pages) {
  char* memory = mmap(NULL, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(memory != MAP_FAILED);
  return memory;
}

// ---- Copies
// -------------------------------------------------------------------------------------------------
//
// The numbers are read around the accesses of the recipe alone, by whoever does them, and written where all
// processes see them. Buffer and sums are shared memory and the stack is warmed, so that counting copies
// nothing.

struct Counting {
  char text[32 * 1024];  // of /proc/vmstat
  long before, sum;
  bool counted;
};

static struct Counting* counting;
static int vmstat = -1;

static inline long copies_so_far(void) {
  ssize_t bytes = vmstat < 0 ? 0 : pread(vmstat, counting->text, sizeof counting->text - 1, 0);
  if (bytes <= 0) return -1;
  counting->text[bytes] = 0;
  for (char* line = counting->text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, "cow_copy ", 9) == 0) return atol(line + 9);
    if (!*line) break;
  }
  return -1;
}

static inline void counting_starts(void) {  // once, before the first fork
  counting =
      mmap(NULL, sizeof *counting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  MUST(counting != MAP_FAILED);
  vmstat = open("/proc/vmstat", O_RDONLY);
  counting->counted = copies_so_far() >= 0;
}

static inline void write_again(const volatile void* from, const volatile void* to) {
  for (uintptr_t page = (uintptr_t)from & -(uintptr_t)kPage; page < (uintptr_t)to; page += kPage) {
    volatile char* byte = (volatile char*)(page < (uintptr_t)from ? (uintptr_t)from : page);
    *byte = *byte;
  }
}

static inline void count_on(void) { counting->before = copies_so_far(); }

// .data and .bss, without what is read-only after relocation.
static inline void write_data_again(void) {
  extern const char __ehdr_start[];
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)__ehdr_start;
  const Elf64_Phdr* segments = (const Elf64_Phdr*)(__ehdr_start + header->e_phoff);
  uintptr_t read_only = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type == PT_GNU_RELRO) read_only = segments[i].p_vaddr + segments[i].p_memsz;
  }
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type != PT_LOAD || !(segments[i].p_flags & PF_W)) continue;
    uintptr_t from = segments[i].p_vaddr, to = from + segments[i].p_memsz;
    if (read_only > from && read_only <= to) from = read_only;
    write_again((char*)from, (char*)to);
  }
}

// After a fork, each of the two writes its stack and its data once, so that what is copied of them is copied
// now.
__attribute__((noinline)) static void warm_up(void) {
  volatile char stack[6 * kPage];
  stack[0] = 0;
  write_again(stack, (char*)environ + 1);
  write_data_again();
  errno = 0;  // thread-local storage
  count_on();
}

static inline void count_off(void) { counting->sum += copies_so_far() - counting->before; }

static inline void tell_copies(void) {
  if (counting->counted) {
    tap_line("# copies: %ld", counting->sum);
  } else {
    tap_line("# copies: not counted here");
  }
}

// ---- Two processes, one after the other
// ---------------------------------------------------------------------

struct Turns {
  int to_child[2], to_parent[2];
};

static inline struct Turns make_turns(void) {
  struct Turns turns;
  MUST(pipe(turns.to_child) == 0 && pipe(turns.to_parent) == 0);
  return turns;
}

static inline void pass(const int ends[2]) { MUST(write(ends[1], "", 1) == 1); }

// The byte goes to shared memory: a read into a private page would be a write to it.
static inline void await(const int ends[2]) { MUST(read(ends[0], counting->text, 1) == 1); }

static inline void child_ended_well(pid_t pid) {
  int status;
  MUST(waitpid(pid, &status, 0) == pid);
  MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
