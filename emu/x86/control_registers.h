// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bits of CR0, CR4, EFER and RFLAGS, what may be written to them, and what a write does to the TLB.
// SDM vol. 3, 2.5 (control registers), 2.2.1 (EFER), 4.10.4.1 (operations that invalidate TLBs).
#pragma once

#include <cstdint>
#include <expected>

#include "x86/cpu_state.h"

namespace mmuscope::x86 {

namespace cr0 {
inline constexpr uint64_t kPe = 1u << 0, kMp = 1u << 1, kEm = 1u << 2, kTs = 1u << 3, kEt = 1u << 4,
                          kNe = 1u << 5, kWp = 1u << 16, kAm = 1u << 18, kNw = 1u << 29, kCd = 1u << 30,
                          kPg = 1u << 31;
}
namespace cr3 {
inline constexpr uint64_t kPcidMask = 0xfff, kNoFlush = uint64_t{1} << 63;
}
namespace cr4 {
inline constexpr uint64_t kVme = 1u << 0, kPvi = 1u << 1, kTsd = 1u << 2, kDe = 1u << 3, kPse = 1u << 4,
                          kPae = 1u << 5, kMce = 1u << 6, kPge = 1u << 7, kPce = 1u << 8, kOsfxsr = 1u << 9,
                          kOsxmmexcpt = 1u << 10, kUmip = 1u << 11, kLa57 = 1u << 12, kFsgsbase = 1u << 16,
                          kPcide = 1u << 17, kOsxsave = 1u << 18, kSmep = 1u << 20, kSmap = 1u << 21,
                          kPke = 1u << 22;
}
namespace efer {
inline constexpr uint64_t kSce = 1u << 0, kLme = 1u << 8, kLma = 1u << 10, kNxe = 1u << 11;
}
namespace rflags {
inline constexpr uint64_t kCf = 1u << 0, kFixed = 1u << 1, kTf = 1u << 8, kIf = 1u << 9, kDf = 1u << 10,
                          kIopl = 3u << 12, kNt = 1u << 14, kRf = 1u << 16, kVm = 1u << 17, kAc = 1u << 18,
                          kVif = 1u << 19, kVip = 1u << 20, kId = 1u << 21;
}

// What a processor offers; writes that set a bit it does not offer fault. One place for CPUID, checks and the
// walker.
struct CpuFeatures {
  uint8_t physical_address_bits = 40;  // MAXPHYADDR, 36..52
  bool la57 = false;                   // 5-level paging
  bool pages_1g = true;
  bool nx = true;
  bool pcid = true;
  bool invpcid = true;
  bool smep = true;
  bool smap = true;
  bool pku = true;
  bool pge = true;
};

// What the TLB must forget because of a write (SDM vol. 3, 4.10.4.1).
enum class TlbEffect : uint8_t {
  kNone,
  kFlushCurrentPcid,   // all non-global entries of the new PCID (MOV CR3)
  kFlushAllNonGlobal,  // all PCIDs, globals stay
  kFlushAll,           // all PCIDs, globals too
};

struct GeneralProtection {};  // #GP(0)

// SDM 4.10.1: the PCID that translations are made under; 0 with CR4.PCIDE=0.
constexpr uint16_t current_pcid(const CpuState& state) {
  return state.cr4 & cr4::kPcide ? static_cast<uint16_t>(state.cr3 & cr3::kPcidMask) : 0;
}

// Each computes the value the register takes, EFER's consequence included (CR0.PG with LME sets LMA), and
// applies it to `state`; on error `state` is untouched.
std::expected<TlbEffect, GeneralProtection> write_cr0(CpuState& state, uint64_t value,
                                                      const CpuFeatures& features);
std::expected<TlbEffect, GeneralProtection> write_cr3(CpuState& state, uint64_t value,
                                                      const CpuFeatures& features);
std::expected<TlbEffect, GeneralProtection> write_cr4(CpuState& state, uint64_t value,
                                                      const CpuFeatures& features);
std::expected<TlbEffect, GeneralProtection> write_efer(CpuState& state, uint64_t value,
                                                       const CpuFeatures& features);

}  // namespace mmuscope::x86
