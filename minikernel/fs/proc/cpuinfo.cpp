// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/cpuinfo (Linux arch/x86/kernel/cpu/proc.c): what CPUID says, in Linux's order and under Linux's names
// (arch/x86/include/asm/cpufeatures.h). Lines are left out whose facts nobody knows here: microcode, cache
// size, bugs. So are features that a kernel has to enable and this one does not: what XSAVE stands behind,
// FSGSBASE, UMIP.
#include "arch/x86_64/clock.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/percpu.h"
#include "fs/proc/proc.h"

namespace mk {
namespace {

using FeatureNames = const char* const[32];

// CPUID.1:EDX and ECX (SDM Vol. 2, CPUID).
constexpr FeatureNames kBasicEdx = {"fpu",  "vme",   "de",    "pse",     "tsc",   "msr", "pae",  "mce",
                                    "cx8",  "apic",  nullptr, "sep",     "mtrr",  "pge", "mca",  "cmov",
                                    "pat",  "pse36", "pn",    "clflush", nullptr, "dts", "acpi", "mmx",
                                    "fxsr", "sse",   "sse2",  "ss",      "ht",    "tm",  "ia64", "pbe"};
constexpr FeatureNames kBasicEcx = {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
                                    "vmx",    "smx",       "est",    "tm2",     "ssse3",
                                    "cid",    "sdbg",      nullptr,  "cx16",    "xtpr",
                                    "pdcm",   nullptr,     "pcid",   "dca",     "sse4_1",
                                    "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
                                    "aes",    nullptr,     nullptr,  nullptr,   nullptr,
                                    "rdrand", "hypervisor"};
// CPUID.80000001H:EDX, without what repeats CPUID.1:EDX, and ECX.
constexpr FeatureNames kExtendedEdx = {
    nullptr, nullptr,    nullptr,   nullptr,   nullptr, nullptr, nullptr,    nullptr,
    nullptr, nullptr,    nullptr,   "syscall", nullptr, nullptr, nullptr,    nullptr,
    nullptr, nullptr,    nullptr,   "mp",      "nx",    nullptr, "mmxext",   nullptr,
    nullptr, "fxsr_opt", "pdpe1gb", "rdtscp",  nullptr, "lm",    "3dnowext", "3dnow"};
constexpr FeatureNames kExtendedEcx = {"lahf_lm", "cmp_legacy", "svm",         "extapic",      "cr8_legacy",
                                       "abm",     "sse4a",      "misalignsse", "3dnowprefetch"};
// CPUID.(7,0):EBX, ECX and EDX.
constexpr FeatureNames kStructuredEbx = {
    nullptr,   "tsc_adjust", nullptr, "bmi1",       nullptr, nullptr, nullptr, "smep",  "bmi2",   "erms",
    "invpcid", nullptr,      nullptr, nullptr,      nullptr, nullptr, nullptr, nullptr, "rdseed", "adx",
    "smap",    nullptr,      nullptr, "clflushopt", "clwb",  nullptr, nullptr, nullptr, nullptr,  "sha_ni"};
constexpr FeatureNames kStructuredEcx = {
    nullptr, nullptr, nullptr, "pku",   "ospke", nullptr,    nullptr, nullptr,   "gfni",     nullptr,
    nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,    "la57",  nullptr,   nullptr,    nullptr,
    nullptr, nullptr, "rdpid", nullptr, nullptr, "cldemote", nullptr, "movdiri", "movdir64b"};
constexpr FeatureNames kStructuredEdx = {nullptr, nullptr, nullptr, nullptr, "fsrm"};

constexpr uint32_t kHyperThreading = 1u << 28;  // CPUID.1:EDX: a package has several logical processors
constexpr uint32_t kInvariantTsc = 1u << 8;     // CPUID.80000007H:EDX

void print_features(TextBuffer& out, uint32_t bits, FeatureNames& names) {
  for (unsigned i = 0; i < 32; ++i)
    if ((bits >> i & 1) && names[i] != nullptr) out.print(" %s", names[i]);
}

// Empty where the processor has no such leaf.
CpuidResult leaf(uint32_t number) {
  return cpuid(number & 0x80000000).eax >= number ? cpuid(number) : CpuidResult{};
}

void print_flags(TextBuffer& out) {
  CpuidResult basic = leaf(1), extended = leaf(0x80000001), structured = leaf(7);
  out.append("flags\t\t:");
  print_features(out, basic.edx, kBasicEdx);
  print_features(out, extended.edx, kExtendedEdx);
  if (leaf(0x80000007).edx & kInvariantTsc) out.append(" constant_tsc nonstop_tsc");
  print_features(out, basic.ecx, kBasicEcx);
  print_features(out, extended.ecx, kExtendedEcx);
  print_features(out, structured.ebx, kStructuredEbx);
  print_features(out, structured.ecx, kStructuredEcx);
  print_features(out, structured.edx, kStructuredEdx);
  out.append("\n");
}

void print_model(TextBuffer& out) {
  CpuidResult highest = cpuid(0);
  uint32_t vendor[4] = {highest.ebx, highest.edx, highest.ecx, 0};
  uint32_t version = leaf(1).eax;
  unsigned family = version >> 8 & 0xf;
  unsigned model = (version >> 4 & 0xf) | (family >= 6 ? version >> 12 & 0xf0 : 0);
  if (family == 15) family += version >> 20 & 0xff;
  CpuidResult brand[4] = {leaf(0x80000002), leaf(0x80000003), leaf(0x80000004), {}};
  uint32_t name[13] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const uint32_t words[] = {brand[i].eax, brand[i].ebx, brand[i].ecx, brand[i].edx};
    for (unsigned j = 0; j < 4; ++j) name[4 * i + j] = words[j];
  }
  out.print("vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", reinterpret_cast<const char*>(vendor),
            family, model);
  out.print("model name\t: %s\nstepping\t: %u\n",
            name[0] != 0 ? reinterpret_cast<const char*>(name) : "unknown", version & 0xf);
}

void print_topology(TextBuffer& out, unsigned index, unsigned cpus) {
  unsigned apic_id = cpu(index).apic_id;
  bool one_package = leaf(1).edx & kHyperThreading;
  out.print("physical id\t: %u\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
            one_package ? 0 : apic_id, one_package ? cpus : 1, one_package ? index : 0,
            one_package ? cpus : 1);
  out.print("apicid\t\t: %u\ninitial apicid\t: %u\n", apic_id, apic_id);
}

}  // namespace

long proc_cpuinfo(TextBuffer& out) {
  SystemInfo system;
  system_info(system);
  uint64_t khz = tsc_hz() / 1000;
  unsigned line_bytes = (leaf(1).ebx >> 8 & 0xff) * 8;
  uint32_t sizes = leaf(0x80000008).eax;
  for (unsigned i = 0; i < system.cpus; ++i) {
    out.print("processor\t: %u\n", i);
    print_model(out);
    out.print("cpu MHz\t\t: %lu.%03lu\n", khz / 1000, khz % 1000);
    print_topology(out, i, system.cpus);
    out.print("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n", cpuid(0).eax);
    print_flags(out);
    // Linux's loops_per_jiffy, where the time-stamp counter is what it waits by.
    out.print("bogomips\t: %lu.%02lu\n", khz / 500, khz / 5 % 100);
    out.print("clflush size\t: %u\ncache_alignment\t: %u\n", line_bytes, line_bytes);
    out.print("address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n", sizes & 0xff,
              sizes >> 8 & 0xff);
  }
  return 0;
}

}  // namespace mk
