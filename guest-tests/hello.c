// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a program finds when it starts: arguments, environment, auxiliary vector, initialised data of every
// kind, a stack aligned as the ABI asks, and a C library that works.
#include <elf.h>
#include <inttypes.h>
#include <sys/auxv.h>

#include "check.h"

static _Thread_local int thread_value = 42;
static _Thread_local char thread_zeroes[5000];
static int data_value = 7;
static char bss_zeroes[20000];
static const char* const pointers[] = {"relocated", "pointers"};  // R_X86_64_RELATIVE in the static-PIE build
static int constructed;

__attribute__((constructor)) static void construct(void) { constructed = data_value; }

static bool all_zero(const char* bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

static void check_stack(char** argv, char** envp) {
  // Between the environment's end and the strings lies the auxiliary vector; getauxval reads the same one,
  // except that glibc gives AT_HWCAP a meaning of its own.
  while (*envp != NULL) envp++;
  const Elf64_auxv_t* entry = (const Elf64_auxv_t*)(envp + 1);
  int entries = 0;
  for (; entry->a_type != AT_NULL; entry++) {
    CHECK(++entries < 64);
    if (entry->a_type == AT_HWCAP) {
      CHECK((entry->a_un.a_val & (1 << 26)) != 0);  // CPUID leaf 1, EDX: SSE2
    } else {
      CHECK_EQUAL(getauxval(entry->a_type), entry->a_un.a_val);
    }
  }
  // argc stands right below argv, at the 16-byte aligned place the stack pointer had at entry.
  CHECK_EQUAL((uintptr_t)(argv - 1) % 16, 0);
  CHECK_EQUAL(*(long*)(argv - 1) >= 1, true);
}

static void check_auxv(void) {
  CHECK_EQUAL(getauxval(AT_PAGESZ), kPage);
  CHECK_EQUAL(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
  CHECK_EQUAL(getauxval(AT_CLKTCK), 100);
  CHECK_EQUAL(getauxval(AT_UID), getuid());
  CHECK_EQUAL(getauxval(AT_EUID), geteuid());
  CHECK_EQUAL(getauxval(AT_GID), getgid());
  CHECK_EQUAL(getauxval(AT_EGID), getegid());
  CHECK_EQUAL(getauxval(AT_SECURE), 0);
  CHECK(getauxval(AT_EXECFN) != 0 && strstr((const char*)getauxval(AT_EXECFN), "hello") != NULL);
  CHECK(getauxval(AT_PLATFORM) != 0 && strcmp((const char*)getauxval(AT_PLATFORM), "x86_64") == 0);
  CHECK(getauxval(AT_RANDOM) != 0 && !all_zero((const char*)getauxval(AT_RANDOM), 16));
  CHECK(getauxval(AT_ENTRY) != 0);

  // The program headers are mapped, and describe the segment that `construct` is in.
  const Elf64_Phdr* header = (const Elf64_Phdr*)getauxval(AT_PHDR);
  CHECK(header != NULL);
  bool load = false, tls = false;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
    load |= header[i].p_type == PT_LOAD;
    tls |= header[i].p_type == PT_TLS && header[i].p_memsz >= sizeof thread_zeroes;
  }
  CHECK(load && tls);
}

int main(int argc, char** argv, char** envp) {
  uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
  CHECK_EQUAL(frame % 16, 0);
  CHECK(argv[argc] == NULL);
  check_stack(argv, envp);
  check_auxv();
  CHECK_EQUAL(constructed, 7);
  CHECK_EQUAL(thread_value, 42);
  CHECK(all_zero(thread_zeroes, sizeof thread_zeroes));
  CHECK(all_zero(bss_zeroes, sizeof bss_zeroes));

  printf("hello, world\n");
  for (int i = 1; i < argc; i++) printf("argument %d: \"%s\"\n", i, argv[i]);
  const char* greeting = getenv("GREETING");
  printf("GREETING: %s\n", greeting != NULL ? greeting : "(not set)");
  printf("%s %s, 1/3 = %.17g, 2^64/3 = %Lg, %" PRIu64 "\n", pointers[0], pointers[1], 1.0 / (data_value - 4),
         18446744073709551616.0L / (data_value - 4), UINT64_MAX);
  char* copy = strdup("the heap works");
  CHECK(copy != NULL);
  puts(copy);
  free(copy);
  return 0;
}
