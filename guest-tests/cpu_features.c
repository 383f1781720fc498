// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPUID promises only what the processor executes: each promised extension is used once, and must do what the
// manual says. Which ones are promised differs from machine to machine and is not printed.
#include <cpuid.h>
#include <fcntl.h>
#include <sys/auxv.h>

#include "check.h"

static uint32_t leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx, extended_ecx, extended_edx;

static void read_cpuid(void) {
  uint32_t a, b, c, d;
  CHECK(__get_cpuid(1, &a, &b, &leaf1_ecx, &leaf1_edx));
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) leaf7_ebx = b, leaf7_ecx = c;
  CHECK(__get_cpuid(0x80000001, &a, &b, &extended_ecx, &extended_edx));
}

static bool has(uint32_t word, int bit) { return (word >> bit) & 1; }

static void baseline(void) {
  // x86-64 itself: FPU TSC MSR CX8 CMOV CLFSH MMX FXSR SSE SSE2, SYSCALL NX LM.
  static const int bits[] = {0, 4, 5, 8, 15, 19, 23, 24, 25, 26};
  for (int i = 0; i < 10; i++) CHECK(has(leaf1_edx, bits[i]));
  CHECK(has(extended_edx, 11) && has(extended_edx, 20) && has(extended_edx, 29));
  say("the baseline of x86-64 is there");
}

static void vector_extensions(void) {
  uint8_t a[16], b[16], result[16] = {0};
  for (int i = 0; i < 16; i++) a[i] = (uint8_t)i, b[i] = (uint8_t)(15 - i);
  if (has(leaf1_ecx, 0)) {  // SSE3
    __asm__("lddqu %1, %%xmm0\n movups %%xmm0, %0" : "=m"(result) : "m"(a) : "xmm0");
    CHECK(memcmp(result, a, 16) == 0);
  }
  if (has(leaf1_ecx, 9)) {  // SSSE3
    __asm__("movups %1, %%xmm0\n movups %2, %%xmm1\n pshufb %%xmm1, %%xmm0\n movups %%xmm0, %0"
            : "=m"(result)
            : "m"(a), "m"(b)
            : "xmm0", "xmm1");
    CHECK(memcmp(result, b, 16) == 0);
  }
  if (has(leaf1_ecx, 19)) {  // SSE4.1
    uint32_t lane;
    __asm__("movups %1, %%xmm0\n pextrd $2, %%xmm0, %0" : "=r"(lane) : "m"(a) : "xmm0");
    CHECK_EQUAL(lane, 0x0b0a0908);
  }
  if (has(leaf1_ecx, 20)) {  // SSE4.2
    uint32_t index, crc = 0;
    __asm__("movups %1, %%xmm0\n movups %2, %%xmm1\n pcmpistri $0, %%xmm1, %%xmm0"
            : "=c"(index)
            : "m"((const char[16]){"xyz"}), "m"((const char[16]){"abcdez"})
            : "xmm0", "xmm1", "cc");
    CHECK_EQUAL(index, 5);
    __asm__("crc32b %1, %0" : "+r"(crc) : "r"((uint8_t)1));
    CHECK_EQUAL(crc, 0xf26b8303);
  }
  if (has(leaf1_ecx, 1)) {  // PCLMULQDQ
    uint64_t product;
    __asm__("movq %1, %%xmm0\n pclmulqdq $0, %%xmm0, %%xmm0\n movq %%xmm0, %0"
            : "=r"(product)
            : "r"(7L)
            : "xmm0");
    CHECK_EQUAL(product, 0x15);
  }
  if (has(leaf1_ecx, 25)) {  // AES
    __asm__("pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n aesenc %%xmm1, %%xmm0\n movups %%xmm0, %0"
            : "=m"(result)
            :
            : "xmm0", "xmm1");
    CHECK_EQUAL(result[0], 0x63);
  }
  if (has(leaf7_ebx, 29)) {  // SHA
    __asm__("pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n sha1msg1 %%xmm1, %%xmm0\n movups %%xmm0, %0"
            : "=m"(result)
            :
            : "xmm0", "xmm1");
    CHECK_EQUAL(result[0], 0);
  }
  if (has(leaf1_ecx, 27)) {  // OSXSAVE: XGETBV works, and says which of the following do
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    CHECK_EQUAL(low & 1, 1);
    if (has(leaf1_ecx, 28) && (low & 6) == 6) {  // AVX
      uint64_t lanes[4] = {1, 2, 3, 4};
      __asm__(
          "vmovups %0, %%ymm0\n vaddpd %%ymm0, %%ymm0, %%ymm1\n vextractf128 $1, %%ymm0, %%xmm1\n vmovups "
          "%%xmm1, %0\n"
          "vzeroupper"
          : "+m"(lanes)
          :
          : "xmm0", "xmm1");
      CHECK_EQUAL(lanes[0], 3);
    }
  }
}

static void integer_extensions(void) {
  uint64_t result;
  if (has(leaf1_ecx, 23)) {  // POPCNT
    __asm__("popcnt %1, %0" : "=r"(result) : "r"(0xf0f0L) : "cc");
    CHECK_EQUAL(result, 8);
  }
  if (has(leaf1_ecx, 22)) {  // MOVBE
    uint64_t value = 0x0102030405060708;
    __asm__("movbe %1, %0" : "=r"(result) : "m"(value));
    CHECK_EQUAL(result, 0x0807060504030201);
  }
  if (has(extended_ecx, 5)) {  // LZCNT
    __asm__("lzcnt %1, %0" : "=r"(result) : "r"(1L) : "cc");
    CHECK_EQUAL(result, 63);
  }
  if (has(leaf7_ebx, 3)) {  // BMI1
    __asm__("andn %2, %1, %0" : "=r"(result) : "r"(0xfL), "r"(0xffL) : "cc");
    CHECK_EQUAL(result, 0xf0);
    __asm__("tzcnt %1, %0" : "=r"(result) : "r"(0L) : "cc");
    CHECK_EQUAL(result, 64);
  }
  if (has(leaf7_ebx, 8)) {  // BMI2
    __asm__("pext %2, %1, %0" : "=r"(result) : "r"(0xabcdL), "r"(0xf0f0L));
    CHECK_EQUAL(result, 0xac);
    __asm__("shlx %2, %1, %0" : "=r"(result) : "r"(3L), "r"(4L));
    CHECK_EQUAL(result, 48);
  }
  if (has(leaf7_ebx, 19)) {  // ADX
    result = 1;
    __asm__("stc\n adcx %1, %0" : "+r"(result) : "r"(2L) : "cc");
    CHECK_EQUAL(result, 4);
  }
  if (has(leaf1_ecx, 13)) {  // CMPXCHG16B
    uint64_t pair[2] __attribute__((aligned(16))) = {1, 2}, low = 1, high = 2;
    __asm__("lock cmpxchg16b %0" : "+m"(pair), "+a"(low), "+d"(high) : "b"(3L), "c"(4L) : "cc");
    CHECK(pair[0] == 3 && pair[1] == 4);
  }
  if (has(extended_ecx, 0)) {  // LAHF in 64-bit mode
    __asm__("xor %%eax, %%eax\n lahf\n movzbl %%ah, %%eax" : "=a"(result) : : "cc");
    CHECK_EQUAL(result, 0x46);
  }
}

static void other_extensions(void) {
  uint32_t low, high, aux;
  char line[64] __attribute__((aligned(64)));
  write_byte(line, 1);
  __asm__ volatile("clflush %0" : "+m"(line));
  __asm__ volatile("prefetcht0 %0\n prefetchnta %0\n pause\n lfence\n mfence\n sfence" : : "m"(line));
  if (has(leaf7_ebx, 23)) __asm__ volatile("clflushopt %0" : "+m"(line));
  if (has(leaf7_ebx, 24)) __asm__ volatile("clwb %0" : "+m"(line));
  CHECK_EQUAL(read_byte(line), 1);
  if (has(leaf1_edx, 4)) __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  if (has(extended_edx, 27)) __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
  if (has(leaf7_ecx, 22)) {
    uint64_t id;
    __asm__ volatile("rdpid %0" : "=r"(id));
  }
  if (has(leaf1_ecx, 30)) {  // RDRAND
    uint64_t value;
    uint8_t good = 0;
    for (int i = 0; i < 100 && !good; i++)
      __asm__ volatile("rdrand %0\n setc %1" : "=r"(value), "=qm"(good) : : "cc");
    CHECK(good);
  }
  if (has(leaf7_ebx, 0) && (getauxval(AT_HWCAP2) & 2)) {  // FSGSBASE, where the kernel allows it
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    CHECK(base != 0);
  }
  if (has(leaf7_ecx, 4)) {  // OSPKE
    __asm__ volatile("rdpkru" : "=a"(low), "=d"(high) : "c"(0));
  }
}

// /proc/cpuinfo does not contradict CPUID, where nobody has told Linux to leave something alone.
static bool is_told(const char* text, const char* name) {
  char word[32];
  snprintf(word, sizeof word, " %s ", name);
  return strstr(text, word) != NULL;
}

static void cpuinfo(void) {
  static const struct {
    const uint32_t* word;
    int bit;
    const char* name;
  } kFlags[] = {{&leaf1_edx, 0, "fpu"},    {&leaf1_edx, 26, "sse2"},       {&extended_edx, 11, "syscall"},
                {&extended_edx, 20, "nx"}, {&extended_edx, 26, "pdpe1gb"}, {&extended_edx, 27, "rdtscp"},
                {&extended_edx, 29, "lm"}, {&extended_ecx, 0, "lahf_lm"},  {&leaf1_ecx, 13, "cx16"},
                {&leaf7_ebx, 7, "smep"},   {&leaf7_ebx, 20, "smap"}};
  static const char* const kLines[] = {
      "processor\t: 0", "vendor_id\t: ",    "cpu family\t: ",    "model\t\t: ",
      "model name\t: ", "stepping\t: ",     "cpu MHz\t\t: ",     "apicid\t\t: ",
      "fpu\t\t: yes",   "cpuid level\t: ",  "wp\t\t: yes",       "flags\t\t: ",
      "bogomips\t: ",   "clflush size\t: ", "address sizes\t: ", "power management:"};
  static char text[8192];
  int fd = open("/proc/cpuinfo", O_RDONLY);
  CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && close(fd) == 0);
  const char* at = text;
  for (size_t i = 0; i < sizeof kLines / sizeof *kLines; i++) {  // in this order
    const char* line = strstr(at, kLines[i]);
    if (line == NULL) say("%s", kLines[i]);
    CHECK(line != NULL);
    at = line;
  }
  char* flags = strstr(text, "flags\t\t:");
  char* end = strchr(flags, '\n');
  CHECK(end != NULL);
  *end = ' ';
  end[1] = 0;
  for (size_t i = 0; i < sizeof kFlags / sizeof *kFlags; i++) {
    if (is_told(flags, kFlags[i].name) != has(*kFlags[i].word, kFlags[i].bit)) say("%s", kFlags[i].name);
    CHECK_EQUAL(is_told(flags, kFlags[i].name), has(*kFlags[i].word, kFlags[i].bit));
  }
  say("/proc/cpuinfo agrees");
}

int main(void) {
  read_cpuid();
  baseline();
  vector_extensions();
  integer_extensions();
  other_extensions();
  say("what CPUID promises works");
  cpuinfo();
  return 0;
}
