// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/control_registers.h"

#include "x86/paging_entry.h"

namespace mmuscope::x86 {
namespace {

// CR0's defined bits; the reserved ones below bit 32 cannot be set and do not fault (SDM 2.5). ET is wired
// to 1.
constexpr uint64_t kCr0Defined = cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs | cr0::kEt | cr0::kNe | cr0::kWp |
                                 cr0::kAm | cr0::kNw | cr0::kCd | cr0::kPg;

constexpr std::unexpected<GeneralProtection> refuse() { return std::unexpected(GeneralProtection{}); }

bool long_mode_active(const CpuState& state) { return state.efer & efer::kLma; }

// SDM vol. 2, MOV to control registers: what IA-32e mode demands at the moment paging is turned on.
bool may_enter_long_mode(const CpuState& state) {
  const bool pae = state.cr4 & cr4::kPae;
  const bool code_64 = state.segment(SegmentName::kCs).long_mode();
  const bool tss_16 = state.tr.present() && (state.tr.type() == 1 || state.tr.type() == 3);
  return pae && !code_64 && !tss_16;
}

// The CR4 bits that exist: those whose feature CPUID announces (msr.h's cpuid() says the same).
uint64_t cr4_offered(const CpuFeatures& features) {
  uint64_t offered = cr4::kTsd | cr4::kDe | cr4::kPse | cr4::kPae | cr4::kOsfxsr | cr4::kOsxmmexcpt;
  if (features.pge) offered |= cr4::kPge;
  if (features.la57) offered |= cr4::kLa57;
  if (features.pcid) offered |= cr4::kPcide;
  if (features.smep) offered |= cr4::kSmep;
  if (features.smap) offered |= cr4::kSmap;
  if (features.pku) offered |= cr4::kPke;
  return offered;
}

// SDM 4.10.4.1, MOV to CR4. PGE and PCIDE 1->0 flush everything. PAE and SMEP 0->1 need only flush the
// current PCID (globals included); flushing everything is allowed, is what we do, and hides nothing: the
// first cannot change in long mode, the second is judged on every hit. PSE and LA57 change what entries mean
// and are treated alike.
TlbEffect cr4_effect(uint64_t before, uint64_t after) {
  const uint64_t changed = before ^ after;
  const uint64_t cleared = before & ~after;
  const uint64_t set = after & ~before;
  if (changed & (cr4::kPge | cr4::kPae | cr4::kPse | cr4::kLa57)) return TlbEffect::kFlushAll;
  if (cleared & cr4::kPcide) return TlbEffect::kFlushAll;
  if (set & cr4::kSmep) return TlbEffect::kFlushAll;
  return TlbEffect::kNone;
}

}  // namespace

std::expected<TlbEffect, GeneralProtection> write_cr0(CpuState& state, uint64_t value, const CpuFeatures&) {
  if (value >> 32) return refuse();                                // 2.5: CR0[63:32] reserved
  if ((value & cr0::kPg) && !(value & cr0::kPe)) return refuse();  // 2.5: paging needs protection
  if ((value & cr0::kNw) && !(value & cr0::kCd))
    return refuse();  // 2.5: not write-through needs cache disable
  const uint64_t after = (value & kCr0Defined) | cr0::kEt;
  const bool paging_changes = (state.cr0 ^ after) & cr0::kPg;
  const bool paging = after & cr0::kPg;
  if (paging_changes && paging && (state.efer & efer::kLme) && !may_enter_long_mode(state)) return refuse();
  if (paging_changes && !paging) {
    const bool code_64 = long_mode_active(state) && state.segment(SegmentName::kCs).long_mode();
    if (code_64) return refuse();                  // 64-bit mode is left through compatibility mode only
    if (state.cr4 & cr4::kPcide) return refuse();  // 4.10.1
  }
  if (paging_changes) {  // 2.2.1, 9.8.5: LMA is LME and PG
    const bool activate = paging && (state.efer & efer::kLme);
    state.efer = activate ? state.efer | efer::kLma : state.efer & ~efer::kLma;
  }
  state.cr0 = after;
  // 4.10.4.1 demands the flush for 1->0 only; nothing was cached while paging was off, so both directions are
  // alike.
  return paging_changes ? TlbEffect::kFlushAll : TlbEffect::kNone;
}

std::expected<TlbEffect, GeneralProtection> write_cr3(CpuState& state, uint64_t value,
                                                      const CpuFeatures& features) {
  const bool pcide = state.cr4 & cr4::kPcide;
  const bool no_flush = pcide && (value & cr3::kNoFlush);
  if (pcide) value &= ~cr3::kNoFlush;  // 4.10.4.1: bit 63 of the operand is not stored
  // 4.5, table 4-12: CR3[63:MAXPHYADDR] reserved. The low 12 bits are the PCID, or PWT, PCD and ignored bits.
  if (value & ~(pte::address_mask(features.physical_address_bits) | cr3::kPcidMask)) return refuse();
  state.cr3 = value;
  return no_flush ? TlbEffect::kNone : TlbEffect::kFlushCurrentPcid;
}

std::expected<TlbEffect, GeneralProtection> write_cr4(CpuState& state, uint64_t value,
                                                      const CpuFeatures& features) {
  const uint64_t before = state.cr4;
  const uint64_t set = value & ~before;
  if (value & ~cr4_offered(features)) return refuse();  // 2.5: reserved, or a feature this processor lacks
  if (long_mode_active(state)) {
    if (!(value & cr4::kPae)) return refuse();           // IA-32e mode needs PAE
    if ((value ^ before) & cr4::kLa57) return refuse();  // 4.1.2: paging mode cannot change under way
  }
  // 4.10.1: PCIDs only in IA-32e mode, turned on while the current PCID is 0.
  if ((set & cr4::kPcide) && (!long_mode_active(state) || (state.cr3 & cr3::kPcidMask))) return refuse();
  state.cr4 = value;
  return cr4_effect(before, value);
}

std::expected<TlbEffect, GeneralProtection> write_efer(CpuState& state, uint64_t value,
                                                       const CpuFeatures& features) {
  uint64_t offered = efer::kSce | efer::kLme | efer::kLma;
  if (features.nx) offered |= efer::kNxe;
  if (value & ~offered) return refuse();                                               // 2.2.1
  if (((value ^ state.efer) & efer::kLme) && (state.cr0 & cr0::kPg)) return refuse();  // 2.2.1
  const uint64_t after =
      (value & ~efer::kLma) | (state.efer & efer::kLma);  // LMA is read-only; writes are ignored
  const bool nxe_changes = (after ^ state.efer) & efer::kNxe;
  state.efer = after;
  // 4.10.4.1 is silent on EFER. Entries hold XD as NXE let it count, so they go, as processors and KVM do it.
  return nxe_changes ? TlbEffect::kFlushAll : TlbEffect::kNone;
}

}  // namespace mmuscope::x86
