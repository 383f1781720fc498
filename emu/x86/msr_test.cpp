// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/msr.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace mmuscope::x86 {
namespace {

constexpr CpuFeatures kFeatures;
constexpr uint64_t kKernelAddress = 0xffff'8000'0000'1000;
constexpr uint64_t kNotCanonical = 0x0000'8000'0000'0000;

TEST(Msr, WhatIsWrittenIsRead) {
  CpuState state;
  const std::pair<uint32_t, uint64_t> values[] = {
      {msr::kSysenterCs, 0x10},
      {msr::kSysenterEsp, kKernelAddress},
      {msr::kSysenterEip, kKernelAddress + 1},
      {msr::kMiscEnable, 0},
      {msr::kPat, 0x0102'0406'0007'0406 ^ 0x0003'0000'0000'0000},
      {msr::kEfer, efer::kSce | efer::kNxe},
      {msr::kStar, 0x0023'0010'0000'0000},
      {msr::kLstar, kKernelAddress + 2},
      {msr::kCstar, kKernelAddress + 3},
      {msr::kSfmask, 0x4'7700},
      {msr::kFsBase, 0x7fff'0000'0000},
      {msr::kGsBase, kKernelAddress + 4},
      {msr::kKernelGsBase, kKernelAddress + 5},
      {msr::kTscAux, 3},
  };
  for (const auto& [number, value] : values) {
    ASSERT_TRUE(write_msr(state, number, value, kFeatures).has_value()) << std::hex << number;
  }
  for (const auto& [number, value] : values)
    EXPECT_EQ(read_msr(state, number, 0).value(), value) << std::hex << number;
  EXPECT_EQ(state.segment(SegmentName::kFs).base, 0x7fff'0000'0000u);
  EXPECT_EQ(state.segment(SegmentName::kGs).base, kKernelAddress + 4);
}

TEST(Msr, TimeIsTheCallers) {
  EXPECT_EQ(read_msr(CpuState{}, msr::kTsc, 12345).value(), 12345u);
  CpuState state;
  EXPECT_FALSE(write_msr(state, msr::kTsc, 0, kFeatures).has_value());
}

TEST(Msr, UnknownOnesFault) {
  CpuState state;
  for (const uint32_t number : {0u, 0x11u, 0x8bu, 0x6e0u, 0x802u, 0xc0000080u - 1, 0xc0000104u, ~0u}) {
    EXPECT_FALSE(read_msr(state, number, 0).has_value()) << number;
    EXPECT_FALSE(write_msr(state, number, 0, kFeatures).has_value()) << number;
  }
}

TEST(Msr, RefusedWritesChangeNothing) {
  const std::pair<uint32_t, uint64_t> values[] = {
      {msr::kApicBase, 0xfee0'0d00},  // x2APIC
      {msr::kApicBase, 0xfee0'0100},  // off
      {msr::kApicBase, 0xfec0'0900},  // elsewhere
      {msr::kMtrrCap, 0},             // read-only
      {msr::kMtrrDefType, 0x800},     // there are none to enable
      {msr::kSysenterCs, uint64_t{1} << 32},
      {msr::kSysenterEsp, kNotCanonical},
      {msr::kSysenterEip, kNotCanonical},
      {msr::kMiscEnable, uint64_t{1} << 34},
      {msr::kPat, 0x0007'0406'0007'0402},
      {msr::kPat, 0x0307'0406'0007'0406},
      {msr::kPat, 0x0008'0406'0007'0406},
      {msr::kEfer, 2},
      {msr::kLstar, kNotCanonical},
      {msr::kCstar, kNotCanonical},
      {msr::kSfmask, uint64_t{1} << 32},
      {msr::kFsBase, kNotCanonical},
      {msr::kGsBase, kNotCanonical},
      {msr::kKernelGsBase, kNotCanonical},
      {msr::kTscAux, uint64_t{1} << 32},
  };
  for (const auto& [number, value] : values) {
    CpuState state;
    EXPECT_FALSE(write_msr(state, number, value, kFeatures).has_value())
        << std::hex << number << ' ' << value;
    EXPECT_EQ(state, CpuState{});
  }
}

TEST(Msr, WhatThereIsMayBeWrittenBack) {
  CpuState state;
  for (const uint32_t number : {msr::kApicBase, msr::kMtrrDefType, msr::kMiscEnable, msr::kPat}) {
    EXPECT_TRUE(write_msr(state, number, read_msr(state, number, 0).value(), kFeatures).has_value());
  }
  EXPECT_EQ(read_msr(state, msr::kMtrrCap, 0).value(), 0u);
  EXPECT_EQ(state, CpuState{});
}

TEST(Msr, EferTellsItsTlbEffect) {
  CpuState state;
  EXPECT_EQ(write_msr(state, msr::kEfer, efer::kNxe, kFeatures).value(), TlbEffect::kFlushAll);
  EXPECT_EQ(write_msr(state, msr::kStar, 1, kFeatures).value(), TlbEffect::kNone);
}

TEST(Msr, AddressesAreAsWideAsTheProcessor) {
  CpuState state;  // CR4.LA57 is off; what counts is that it could be on
  EXPECT_TRUE(write_msr(state, msr::kLstar, kNotCanonical, {.la57 = true}).has_value());
  EXPECT_FALSE(write_msr(state, msr::kLstar, uint64_t{1} << 56, {.la57 = true}).has_value());
}

// --- CPUID
// ----------------------------------------------------------------------------------------------------------------

CpuidResult ask(uint32_t leaf, uint32_t subleaf = 0, const CpuFeatures& features = kFeatures,
                const CpuState& state = {}) {
  return cpuid(leaf, subleaf, state, features, 2, 4);
}

std::string text(std::initializer_list<uint32_t> registers) {
  std::string result;
  for (uint32_t value : registers) {
    for (; value; value >>= 8) result += static_cast<char>(value & 0xff);
  }
  return result;
}

TEST(Cpuid, Names) {
  const CpuidResult vendor = ask(0);
  EXPECT_EQ(vendor.eax, 0x15u);
  EXPECT_EQ(text({vendor.ebx, vendor.edx, vendor.ecx}), "GenuineIntel");
  const CpuidResult brand = ask(0x80000002);
  EXPECT_EQ(text({brand.eax, brand.ebx, brand.ecx, brand.edx}), "mmuscope");
  EXPECT_EQ(ask(0x80000003).eax | ask(0x80000004).edx, 0u);
}

bool has(uint32_t value, unsigned bit) { return value >> bit & 1; }

TEST(Cpuid, PromisesTheBaselineAndNothingTheMachineLacks) {
  const CpuidResult one = ask(1);
  for (unsigned bit : {0, 3, 4, 5, 6, 8, 9, 13, 15, 16, 19, 23, 24, 25, 26})
    EXPECT_TRUE(has(one.edx, bit)) << bit;
  for (unsigned bit : {1, 7, 11, 12, 14, 28})
    EXPECT_FALSE(has(one.edx, bit)) << bit;  // VME MCE SEP MTRR MCA HTT
  EXPECT_EQ(one.ecx, 1u << 13 | 1u << 17);   // CX16, PCID: no SSE3, no x2APIC, no XSAVE, no AVX, no RDRAND
  EXPECT_EQ(one.ebx >> 24, 2u);              // APIC id
  EXPECT_EQ(one.ebx >> 8 & 0xff, 8u);        // 64-byte lines
  const CpuidResult extended = ask(0x80000001);
  EXPECT_EQ(extended.ecx, 1u);  // LAHF
  EXPECT_EQ(extended.edx, 1u << 11 | 1u << 20 | 1u << 26 | 1u << 27 | 1u << 29);
}

TEST(Cpuid, FollowsTheFeatures) {
  struct Row {
    bool CpuFeatures::* feature;
    uint32_t leaf;
    uint32_t CpuidResult::* word;
    unsigned bit;
  };
  const Row rows[] = {{&CpuFeatures::pge, 1, &CpuidResult::edx, 13},
                      {&CpuFeatures::pcid, 1, &CpuidResult::ecx, 17},
                      {&CpuFeatures::smep, 7, &CpuidResult::ebx, 7},
                      {&CpuFeatures::invpcid, 7, &CpuidResult::ebx, 10},
                      {&CpuFeatures::smap, 7, &CpuidResult::ebx, 20},
                      {&CpuFeatures::pku, 7, &CpuidResult::ecx, 3},
                      {&CpuFeatures::la57, 7, &CpuidResult::ecx, 16},
                      {&CpuFeatures::nx, 0x80000001, &CpuidResult::edx, 20},
                      {&CpuFeatures::pages_1g, 0x80000001, &CpuidResult::edx, 26}};
  for (const Row& row : rows) {
    CpuFeatures features;
    for (const bool on : {false, true}) {
      features.*row.feature = on;
      EXPECT_EQ(has(ask(row.leaf, 0, features).*row.word, row.bit), on) << row.leaf << ' ' << row.bit;
    }
  }
}

// A kernel that trusts CPUID must be able to set what it was promised, and nothing else.
TEST(Cpuid, AgreesWithCr4AndEfer) {
  for (unsigned features_mask = 0; features_mask < 64; ++features_mask) {
    const CpuFeatures features{.la57 = has(features_mask, 0),
                               .nx = has(features_mask, 1),
                               .smep = has(features_mask, 2),
                               .smap = has(features_mask, 3),
                               .pku = has(features_mask, 4),
                               .pge = has(features_mask, 5)};
    const auto allows = [&](uint64_t bit) {
      CpuState state;
      return write_cr4(state, bit, features).has_value();
    };
    EXPECT_EQ(allows(cr4::kLa57), has(ask(7, 0, features).ecx, 16));
    EXPECT_EQ(allows(cr4::kSmep), has(ask(7, 0, features).ebx, 7));
    EXPECT_EQ(allows(cr4::kSmap), has(ask(7, 0, features).ebx, 20));
    EXPECT_EQ(allows(cr4::kPke), has(ask(7, 0, features).ecx, 3));
    EXPECT_EQ(allows(cr4::kPge), has(ask(1, 0, features).edx, 13));
    CpuState state;
    EXPECT_EQ(write_efer(state, efer::kNxe, features).has_value(), has(ask(0x80000001, 0, features).edx, 20));
  }
}

TEST(Cpuid, OspkeMirrorsCr4) {
  CpuState state;
  EXPECT_FALSE(has(ask(7, 0, kFeatures, state).ecx, 4));
  state.cr4 = cr4::kPke;
  EXPECT_TRUE(has(ask(7, 0, kFeatures, state).ecx, 4));
}

TEST(Cpuid, AddressWidths) {
  EXPECT_EQ(ask(0x80000008).eax, 40u | 48u << 8);
  EXPECT_EQ(ask(0x80000008, 0, {.physical_address_bits = 46, .la57 = true}).eax, 46u | 57u << 8);
}

TEST(Cpuid, TscRunsAtTheFrequencyItClaims) {
  const CpuidResult clock = ask(0x15);
  EXPECT_EQ(uint64_t{clock.ecx} * clock.ebx / clock.eax, kTscHz);
  EXPECT_TRUE(has(ask(0x80000007).edx, 8));
}

// What C libraries do with leaves 2, 4 and 0xb must end, and end with caches of a sensible size.
TEST(Cpuid, CachesAndTopology) {
  EXPECT_EQ(ask(2).eax, 0xff01u);
  std::set<uint64_t> sizes;
  uint32_t subleaf = 0;
  for (; ask(4, subleaf).eax & 0x1f; ++subleaf) {
    ASSERT_LT(subleaf, 10u);
    const CpuidResult cache = ask(4, subleaf);
    EXPECT_EQ((cache.ebx & 0xfff) + 1, 64u);
    sizes.insert(uint64_t{(cache.ebx >> 22) + 1} * 64 * (cache.ecx + 1));
  }
  EXPECT_EQ(sizes, (std::set<uint64_t>{32 << 10, 512 << 10, 8 << 20}));
  EXPECT_EQ(ask(0xb, 1).ebx, 0u);
  EXPECT_EQ(ask(0xb, 1).ecx, 1u);
  EXPECT_EQ(ask(0xb, 1).edx, 2u);
}

TEST(Cpuid, BeyondTheEndAnswersAsTheLastBasicLeaf) {
  for (const uint32_t leaf : {0x16u, 0x40000000u, 0x80000009u, ~0u}) EXPECT_EQ(ask(leaf).ecx, kTscHz) << leaf;
  EXPECT_EQ(ask(0x80000000).eax, 0x80000008u);
  EXPECT_EQ(ask(7, 1).ebx | ask(7, 1).ecx, 0u);
  EXPECT_EQ(ask(6).eax | ask(0xd).eax | ask(0x80000005).ecx, 0u);
}

}  // namespace
}  // namespace mmuscope::x86
