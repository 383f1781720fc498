// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPUID, declared in msr.h: SDM vol. 2, CPUID. Every bit promised here is executed by the engine or by
// machine/, and every CR4 and EFER bit that control_registers.cpp accepts is announced here.
#include <array>
#include <cstring>

#include "x86/msr.h"

namespace mmuscope::x86 {
namespace {

constexpr uint32_t kMaxBasicLeaf = 0x15;
constexpr uint32_t kFirstExtendedLeaf = 0x80000000;
constexpr uint32_t kMaxExtendedLeaf = 0x80000008;

constexpr uint32_t bit(unsigned number, bool value = true) { return static_cast<uint32_t>(value) << number; }

uint32_t letters(const char* four) {
  uint32_t value = 0;
  std::memcpy(&value, four, sizeof value);
  return value;
}

// Leaf 1. One logical processor in each package: HTT=0, so the topology leaves have nothing to add.
CpuidResult version_and_features(const CpuFeatures& features, uint32_t apic_id) {
  constexpr uint32_t kFamily6 =
      0x00000663;                       // family 6, model 6, stepping 3: older than any model-specific quirk
  constexpr uint32_t kClflushLine = 8;  // in 8-byte units: 64 bytes
  CpuidResult result;
  result.eax = kFamily6;
  result.ebx = (apic_id << 24) | (1u << 16) | (kClflushLine << 8);
  result.ecx = bit(13) /* CMPXCHG16B */ | bit(17, features.pcid);
  result.edx = bit(0) /* FPU */ | bit(2) /* DE */ | bit(3) /* PSE */ | bit(4) /* TSC */ | bit(5) /* MSR */ |
               bit(6) /* PAE */ | bit(8) /* CX8 */ | bit(9) /* APIC */ | bit(13, features.pge) |
               bit(15) /* CMOV */ | bit(16) /* PAT */ | bit(19) /* CLFSH */ | bit(23) /* MMX */ |
               bit(24) /* FXSR */ | bit(25) /* SSE */ | bit(26) /* SSE2 */;
  return result;
}

// Leaf 4. C libraries size their copy loops by these; a processor without caches leads some of them astray.
CpuidResult cache(uint32_t subleaf) {
  struct Cache {
    uint32_t type, level, ways, sets;  // type: 1 data, 2 instruction, 3 unified
  };
  constexpr std::array<Cache, 4> kCaches{{{1, 1, 8, 64}, {2, 1, 8, 64}, {3, 2, 8, 1024}, {3, 3, 16, 8192}}};
  constexpr uint32_t kLineBytes = 64;
  if (subleaf >= kCaches.size()) return {};
  const Cache& cache = kCaches[subleaf];
  return {.eax = cache.type | (cache.level << 5) | bit(8) /* self-initialising */,
          .ebx = ((cache.ways - 1) << 22) | (kLineBytes - 1),
          .ecx = cache.sets - 1,
          .edx = 0};
}

// Leaf 7, subleaf 0.
CpuidResult structured_features(uint32_t subleaf, const CpuState& state, const CpuFeatures& features) {
  if (subleaf != 0) return {};
  CpuidResult result;
  result.ebx = bit(7, features.smep) | bit(10, features.invpcid) | bit(20, features.smap);
  const bool ospke = state.cr4 & cr4::kPke;  // mirrors CR4.PKE: says whether RDPKRU may be used
  result.ecx = bit(3, features.pku) | bit(4, ospke) | bit(16, features.la57);
  return result;
}

CpuidResult brand(uint32_t leaf) {
  constexpr std::array<char, 48> kBrand{"mmuscope"};
  const char* part = kBrand.data() + 16 * (leaf - 0x80000002);
  return {letters(part), letters(part + 4), letters(part + 8), letters(part + 12)};
}

CpuidResult extended(uint32_t leaf, const CpuFeatures& features) {
  switch (leaf) {
    case kFirstExtendedLeaf:
      return {.eax = kMaxExtendedLeaf};
    case 0x80000001:
      return {.ecx = bit(0) /* LAHF in 64-bit mode */,
              .edx = bit(11) /* SYSCALL */ | bit(20, features.nx) | bit(26, features.pages_1g) |
                     bit(27) /* RDTSCP */ | bit(29) /* LM */};
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return brand(leaf);
    case 0x80000007:
      return {.edx = bit(8) /* invariant TSC */};
    case 0x80000008:
      return {.eax = features.physical_address_bits | ((features.la57 ? 57u : 48u) << 8)};
    default:
      return {};
  }
}

}  // namespace

CpuidResult cpuid(uint32_t leaf, uint32_t subleaf, const CpuState& state, const CpuFeatures& features,
                  uint32_t apic_id, uint32_t /*cpu_count*/) {
  if (leaf >= kFirstExtendedLeaf && leaf <= kMaxExtendedLeaf) return extended(leaf, features);
  if (leaf > kMaxBasicLeaf) leaf = kMaxBasicLeaf;  // SDM: out of range answers as the highest basic leaf
  switch (leaf) {
    case 0:  // "GenuineIntel", in the order EBX EDX ECX
      return {.eax = kMaxBasicLeaf, .ebx = letters("Genu"), .ecx = letters("ntel"), .edx = letters("ineI")};
    case 1:
      return version_and_features(features, apic_id);
    case 2:  // "see leaf 4"
      return {.eax = 0xff01};
    case 4:
      return cache(subleaf);
    case 7:
      return structured_features(subleaf, state, features);
    case 0xb:  // no levels: leaf 1 is all there is
      return {.ecx = subleaf & 0xff, .edx = apic_id};
    case 0x15:
      return {.eax = 1, .ebx = 1, .ecx = static_cast<uint32_t>(kTscHz)};
    default:
      return {};
  }
}

}  // namespace mmuscope::x86
