// SPDX-License-Identifier: GPL-2.0-or-later
//
// How many pages the kernel copied on behalf of a scenario's recipe: by write faults, to unshare, in fork.
// They are differences of three lines of /proc/vmstat that minikernel has and Linux has not: cow_copy,
// cow_unshare and cow_fork_copy.
//
// The numbers are of the whole system, and every fork causes copies that belong to no recipe: of stacks and
// data. Therefore each process writes all of those once (warm_up) at a time that is left out of the count.
#pragma once

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096 };

struct Copies {
  long by_faults, by_fork;
};

struct Counting {  // in shared memory: one for all processes, who take turns
  char vmstat[32 * 1024];
  struct Copies at_start;
  long left_out;
};

static struct Counting* counting;
static int vmstat_file = -1;

// -1: there is no such line.
static inline long vmstat_line(const char* name) {
  size_t length = strlen(name);
  for (const char* line = counting->vmstat; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, length) == 0 && line[length] == ' ') return atol(line + length + 1);
  }
  return -1;
}

static inline struct Copies read_copies(void) {
  ssize_t bytes = pread(vmstat_file, counting->vmstat, sizeof counting->vmstat - 1, 0);
  counting->vmstat[bytes > 0 ? bytes : 0] = 0;
  return (struct Copies){vmstat_line("cow_copy") + vmstat_line("cow_unshare"), vmstat_line("cow_fork_copy")};
}

static inline void do_not_count_faults_since(struct Copies before) {
  counting->left_out += read_copies().by_faults - before.by_faults;
}
static inline void do_not_count_since(struct Copies before) {
  do_not_count_faults_since(before);
  counting->left_out += read_copies().by_fork - before.by_fork;
}

static inline void count(long copies) { counting->left_out -= copies; }

// -1: this kernel does not count copies.
static inline long copies_counted(void) {
  struct Copies now = read_copies();
  if (vmstat_line("cow_copy") < 0) return -1;
  return now.by_faults - counting->at_start.by_faults + now.by_fork - counting->at_start.by_fork -
         counting->left_out;
}

// ---- What is written in any process
// -------------------------------------------------------------------------------

static inline void write_again(const volatile void* from, const volatile void* to) {
  for (uintptr_t page = (uintptr_t)from & -(uintptr_t)kPage; page < (uintptr_t)to; page += kPage) {
    volatile char* byte = (volatile char*)(page < (uintptr_t)from ? (uintptr_t)from : page);
    *byte = *byte;
  }
}

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

// What the C library keeps for the thread, and its heap, which in glibc begins with that.
static inline void write_heap_again(void) {
  write_again(&errno, &errno + 1);
#ifdef __GLIBC__
  write_again(&errno, sbrk(0));
#endif
}

__attribute__((noinline)) static void warm_up(void) {
  volatile char stack[6 * kPage];
  stack[0] = 0;
  write_again(stack, (char*)environ + 1);
  write_data_again();
  write_heap_again();
}

// Once, before the first fork.
static inline bool counting_begins(void) {
  counting =
      mmap(NULL, sizeof *counting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (counting == MAP_FAILED) return false;
  vmstat_file = open("/proc/vmstat", O_RDONLY);
  warm_up();
  counting->at_start = read_copies();
  return true;
}
