// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/msr.h"

#include "x86/address.h"

namespace mmuscope::x86 {
namespace {

using Effect = std::expected<TlbEffect, GeneralProtection>;

constexpr uint64_t kFastStrings = 1;  // IA32_MISC_ENABLE bit 0, the only one of it that means anything here

std::unexpected<GeneralProtection> refuse() { return std::unexpected(GeneralProtection{}); }

Effect store(uint64_t& where, uint64_t value) {
  where = value;
  return TlbEffect::kNone;
}

// WRMSR checks addresses against the widest linear address the processor offers, not the one CR4.LA57
// selects.
Effect store_address(uint64_t& where, uint64_t value, const CpuFeatures& features) {
  if (!is_canonical(value, features.la57)) return refuse();
  return store(where, value);
}

Effect store_low_half(uint64_t& where, uint64_t value) {
  if (value >> 32) return refuse();
  return store(where, value);
}

// SDM vol. 3, 11.12.2, table 11-10: memory types UC, WC, WT, WP, WB, UC-.
bool valid_pat(uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) {
    const uint64_t type = (value >> (8 * i)) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

}  // namespace

std::expected<uint64_t, GeneralProtection> read_msr(const CpuState& state, uint32_t number, uint64_t tsc) {
  switch (number) {
    case msr::kTsc:
      return tsc;
    case msr::kApicBase:
      return state.apic_base;
    case msr::kMtrrCap:      // no variable, no fixed ranges
    case msr::kMtrrDefType:  // disabled
      return 0;
    case msr::kSysenterCs:
      return state.sysenter_cs;
    case msr::kSysenterEsp:
      return state.sysenter_esp;
    case msr::kSysenterEip:
      return state.sysenter_eip;
    case msr::kMiscEnable:
      return state.misc_enable;
    case msr::kPat:
      return state.pat;
    case msr::kEfer:
      return state.efer;
    case msr::kStar:
      return state.star;
    case msr::kLstar:
      return state.lstar;
    case msr::kCstar:
      return state.cstar;
    case msr::kSfmask:
      return state.sfmask;
    case msr::kFsBase:
      return state.segment(SegmentName::kFs).base;
    case msr::kGsBase:
      return state.segment(SegmentName::kGs).base;
    case msr::kKernelGsBase:
      return state.kernel_gs_base;
    case msr::kTscAux:
      return state.tsc_aux;
    default:
      return refuse();
  }
}

Effect write_msr(CpuState& state, uint32_t number, uint64_t value, const CpuFeatures& features) {
  switch (number) {
    case msr::kApicBase:  // neither moved, nor disabled, nor switched to x2APIC: only what it is may be
                          // written
      if (value != state.apic_base) return refuse();
      return TlbEffect::kNone;
    case msr::kMtrrDefType:
      if (value != 0) return refuse();
      return TlbEffect::kNone;
    case msr::kSysenterCs:
      return store_low_half(state.sysenter_cs, value);
    case msr::kSysenterEsp:
      return store_address(state.sysenter_esp, value, features);
    case msr::kSysenterEip:
      return store_address(state.sysenter_eip, value, features);
    case msr::kMiscEnable:
      if (value & ~kFastStrings) return refuse();
      return store(state.misc_enable, value);
    case msr::kPat:
      if (!valid_pat(value)) return refuse();
      return store(state.pat, value);
    case msr::kEfer:
      return write_efer(state, value, features);
    case msr::kStar:
      return store(state.star, value);
    case msr::kLstar:
      return store_address(state.lstar, value, features);
    case msr::kCstar:
      return store_address(state.cstar, value, features);
    case msr::kSfmask:
      return store_low_half(state.sfmask, value);
    case msr::kFsBase:
      return store_address(state.segment(SegmentName::kFs).base, value, features);
    case msr::kGsBase:
      return store_address(state.segment(SegmentName::kGs).base, value, features);
    case msr::kKernelGsBase:
      return store_address(state.kernel_gs_base, value, features);
    case msr::kTscAux:
      return store_low_half(state.tsc_aux, value);
    default:  // kTsc among them: time is counted instructions, and no guest sets it
      return refuse();
  }
}

}  // namespace mmuscope::x86
