// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/control_registers.h"

#include <gtest/gtest.h>

namespace mmuscope::x86 {
namespace {

constexpr CpuFeatures kEverything{.physical_address_bits = 40, .la57 = true};
constexpr CpuFeatures kNothing{.physical_address_bits = 40,
                               .la57 = false,
                               .pages_1g = false,
                               .nx = false,
                               .pcid = false,
                               .invpcid = false,
                               .smep = false,
                               .smap = false,
                               .pku = false,
                               .pge = false};

using Write = std::expected<TlbEffect, GeneralProtection> (*)(CpuState&, uint64_t, const CpuFeatures&);

class ControlRegisters : public testing::Test {
 protected:
  // Long mode with paging, running 64-bit code.
  static CpuState long_mode() {
    CpuState state;
    state.cr0 = cr0::kPe | cr0::kEt | cr0::kNe | cr0::kWp | cr0::kPg;
    state.cr4 = cr4::kPae | cr4::kPge;
    state.efer = efer::kSce | efer::kLme | efer::kLma | efer::kNxe;
    state.segment(SegmentName::kCs).attributes = 0xa09b;
    return state;
  }
  // 32-bit protected mode, everything ready for long mode but PG.
  static CpuState before_long_mode() {
    CpuState state;
    state.cr0 = cr0::kPe | cr0::kEt;
    state.cr4 = cr4::kPae;
    state.efer = efer::kLme;
    state.segment(SegmentName::kCs).attributes = 0xc09b;
    return state;
  }

  static void refused(Write write, CpuState state, uint64_t value,
                      const CpuFeatures& features = kEverything) {
    const CpuState before = state;
    EXPECT_FALSE(write(state, value, features).has_value()) << std::hex << value;
    EXPECT_EQ(state, before) << "a refused write changed something";
  }
  // Returns the effect, and the state as changed.
  static TlbEffect accepted(Write write, CpuState& state, uint64_t value,
                            const CpuFeatures& features = kEverything) {
    const auto effect = write(state, value, features);
    EXPECT_TRUE(effect.has_value()) << std::hex << value;
    return effect.value_or(TlbEffect::kNone);
  }
};

TEST_F(ControlRegisters, Cr0RefusesWhatCannotBe) {
  refused(write_cr0, long_mode(), long_mode().cr0 | uint64_t{1} << 32);
  refused(write_cr0, long_mode(), cr0::kPg);                     // PG without PE
  refused(write_cr0, long_mode(), long_mode().cr0 | cr0::kNw);   // NW without CD
  refused(write_cr0, long_mode(), long_mode().cr0 & ~cr0::kPg);  // leaving long mode from 64-bit code
  CpuState compatibility = long_mode();
  compatibility.segment(SegmentName::kCs).attributes = 0xc09b;
  compatibility.cr4 |= cr4::kPcide;
  refused(write_cr0, compatibility, compatibility.cr0 & ~cr0::kPg);  // PCIDE needs paging
}

TEST_F(ControlRegisters, Cr0IgnoresReservedLowBitsAndKeepsEt) {
  CpuState state = long_mode();
  EXPECT_EQ(accepted(write_cr0, state, state.cr0 | 1u << 6 | 1u << 17 | 1u << 28), TlbEffect::kNone);
  EXPECT_EQ(state, long_mode());
  accepted(write_cr0, state, state.cr0 & ~cr0::kEt);
  EXPECT_EQ(state, long_mode());
  accepted(write_cr0, state, state.cr0 | cr0::kNw | cr0::kCd);
  EXPECT_EQ(state.cr0, long_mode().cr0 | cr0::kNw | cr0::kCd);
}

TEST_F(ControlRegisters, EnteringLongModeNeedsPaeAndNo64BitCodeAndNo16BitTss) {
  CpuState state = before_long_mode();
  EXPECT_EQ(accepted(write_cr0, state, state.cr0 | cr0::kPg), TlbEffect::kFlushAll);
  EXPECT_EQ(state.efer, efer::kLme | efer::kLma);

  CpuState without_pae = before_long_mode();
  without_pae.cr4 = 0;
  refused(write_cr0, without_pae, without_pae.cr0 | cr0::kPg);
  CpuState code_64 = before_long_mode();
  code_64.segment(SegmentName::kCs).attributes = 0xa09b;
  refused(write_cr0, code_64, code_64.cr0 | cr0::kPg);
  for (const unsigned type : {1u, 3u}) {
    CpuState tss_16 = before_long_mode();
    tss_16.tr.attributes = static_cast<uint16_t>(0x80 | type);
    refused(write_cr0, tss_16, tss_16.cr0 | cr0::kPg);
  }
  CpuState legacy = before_long_mode();  // without LME none of that matters
  legacy.efer = legacy.cr4 = 0;
  accepted(write_cr0, legacy, legacy.cr0 | cr0::kPg);
  EXPECT_EQ(legacy.efer, 0u);
}

TEST_F(ControlRegisters, LeavingLongModeClearsLmaKeepsLme) {
  CpuState state = long_mode();
  state.segment(SegmentName::kCs).attributes = 0xc09b;
  EXPECT_EQ(accepted(write_cr0, state, state.cr0 & ~cr0::kPg), TlbEffect::kFlushAll);
  EXPECT_EQ(state.efer, long_mode().efer & ~efer::kLma);
}

TEST_F(ControlRegisters, Cr0WriteProtectFlushesNothing) {
  CpuState state = long_mode();
  EXPECT_EQ(accepted(write_cr0, state, state.cr0 & ~cr0::kWp), TlbEffect::kNone);
  EXPECT_FALSE(state.cr0 & cr0::kWp);
}

TEST_F(ControlRegisters, Cr3) {
  CpuState state = long_mode();
  EXPECT_EQ(accepted(write_cr3, state, 0xff'ffff'f018), TlbEffect::kFlushCurrentPcid);
  EXPECT_EQ(state.cr3, 0xff'ffff'f018u);
  EXPECT_EQ(current_pcid(state), 0);
  for (unsigned bit = 40; bit < 64; ++bit) refused(write_cr3, state, uint64_t{1} << bit);
  CpuFeatures wide = kEverything;
  wide.physical_address_bits = 52;
  accepted(write_cr3, state, uint64_t{1} << 51, wide);
  refused(write_cr3, state, uint64_t{1} << 52, wide);
}

TEST_F(ControlRegisters, Cr3WithPcids) {
  CpuState state = long_mode();
  state.cr4 |= cr4::kPcide;
  EXPECT_EQ(accepted(write_cr3, state, 0x1abc), TlbEffect::kFlushCurrentPcid);
  EXPECT_EQ(current_pcid(state), 0xabc);
  EXPECT_EQ(accepted(write_cr3, state, cr3::kNoFlush | 0x2001), TlbEffect::kNone);
  EXPECT_EQ(state.cr3, 0x2001u);  // bit 63 is not stored
  for (unsigned bit = 40; bit < 63; ++bit) refused(write_cr3, state, uint64_t{1} << bit);
}

TEST_F(ControlRegisters, Cr4OffersWhatTheFeaturesSay) {
  const uint64_t always = cr4::kTsd | cr4::kDe | cr4::kPse | cr4::kPae | cr4::kOsfxsr | cr4::kOsxmmexcpt;
  const uint64_t optional = cr4::kPge | cr4::kLa57 | cr4::kPcide | cr4::kSmep | cr4::kSmap | cr4::kPke;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const uint64_t value = uint64_t{1} << bit;
    CpuState state;
    if (value & cr4::kPcide) state = long_mode();
    const uint64_t wanted = state.cr4 | value;
    if (value & (always | optional)) {
      accepted(write_cr4, state, wanted);
      EXPECT_EQ(state.cr4, wanted);
    } else {
      refused(write_cr4, state, wanted);
    }
    if (value & optional) refused(write_cr4, CpuState{}, value, kNothing);
    if (value & always) accepted(write_cr4, state = CpuState{}, value, kNothing);
  }
}

TEST_F(ControlRegisters, Cr4InLongMode) {
  refused(write_cr4, long_mode(), long_mode().cr4 & ~cr4::kPae);
  refused(write_cr4, long_mode(), long_mode().cr4 | cr4::kLa57);
  CpuState five_levels = long_mode();
  five_levels.cr4 |= cr4::kLa57;
  refused(write_cr4, five_levels, long_mode().cr4);
  CpuState state = before_long_mode();
  accepted(write_cr4, state, state.cr4 | cr4::kLa57);
}

TEST_F(ControlRegisters, PcideNeedsLongModeAndPcidZero) {
  refused(write_cr4, before_long_mode(), before_long_mode().cr4 | cr4::kPcide);
  CpuState state = long_mode();
  state.cr3 = 0x1008;
  refused(write_cr4, state, state.cr4 | cr4::kPcide);
  state.cr3 = 0x1000;
  EXPECT_EQ(accepted(write_cr4, state, state.cr4 | cr4::kPcide), TlbEffect::kNone);
  state.cr3 = 0x1008;  // once it is on, other bits may change under any PCID
  EXPECT_EQ(accepted(write_cr4, state, state.cr4 | cr4::kTsd), TlbEffect::kNone);
}

// SDM 4.10.4.1.
TEST_F(ControlRegisters, WhatCr4WritesFlush) {
  struct Row {
    uint64_t bit;
    TlbEffect when_set, when_cleared;
  };
  using enum TlbEffect;
  const Row rows[] = {{cr4::kPge, kFlushAll, kFlushAll}, {cr4::kPcide, kNone, kFlushAll},
                      {cr4::kSmep, kFlushAll, kNone},    {cr4::kPse, kFlushAll, kFlushAll},
                      {cr4::kSmap, kNone, kNone},        {cr4::kPke, kNone, kNone},
                      {cr4::kTsd, kNone, kNone},         {cr4::kOsfxsr, kNone, kNone}};
  for (const Row& row : rows) {
    CpuState state = long_mode();
    state.cr4 &= ~row.bit;
    EXPECT_EQ(accepted(write_cr4, state, state.cr4 | row.bit), row.when_set) << row.bit;
    EXPECT_EQ(accepted(write_cr4, state, state.cr4), kNone);
    EXPECT_EQ(accepted(write_cr4, state, state.cr4 & ~row.bit), row.when_cleared) << row.bit;
  }
  CpuState state;  // these cannot change in long mode
  for (const uint64_t bit : {cr4::kPae, cr4::kLa57}) {
    EXPECT_EQ(accepted(write_cr4, state, bit), kFlushAll);
    EXPECT_EQ(accepted(write_cr4, state, 0), kFlushAll);
  }
}

TEST_F(ControlRegisters, Efer) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const uint64_t value = uint64_t{1} << bit;
    if (value & (efer::kSce | efer::kLme | efer::kLma | efer::kNxe)) continue;
    refused(write_efer, CpuState{}, value);
  }
  refused(write_efer, CpuState{}, efer::kNxe, kNothing);
  refused(write_efer, long_mode(), long_mode().efer & ~efer::kLme);  // paging is on
  CpuState state;
  EXPECT_EQ(accepted(write_efer, state, efer::kLme | efer::kSce | efer::kLma), TlbEffect::kNone);
  EXPECT_EQ(state.efer, efer::kLme | efer::kSce);  // LMA cannot be written
  state = long_mode();
  EXPECT_EQ(accepted(write_efer, state, state.efer & ~efer::kLma), TlbEffect::kNone);
  EXPECT_EQ(state.efer, long_mode().efer);
  EXPECT_EQ(accepted(write_efer, state, state.efer & ~efer::kNxe), TlbEffect::kFlushAll);
  EXPECT_EQ(accepted(write_efer, state, state.efer | efer::kNxe), TlbEffect::kFlushAll);
}

}  // namespace
}  // namespace mmuscope::x86
