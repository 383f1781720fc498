// SPDX-License-Identifier: GPL-2.0-or-later
//
// The architectural state of one logical processor that system code can see, except x87/SSE contents (the
// engine keeps those). This is the guest's view: CR4 holds what the guest wrote, whatever the engine
// underneath was told. Plain data; SDM vol. 3, chapter 2 (system registers) and 3.4.5 (segment descriptors).
#pragma once

#include <array>
#include <cstdint>

namespace mmuscope::x86 {

enum class Gpr : uint8_t {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15
};
enum class SegmentName : uint8_t { kEs, kCs, kSs, kDs, kFs, kGs };

// A segment register with its hidden part. `attributes` are bytes 5-6 of the descriptor as in VMX (type in
// bits 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15); `limit` is in bytes, already scaled.
struct Segment {
  uint64_t base = 0;
  uint32_t limit = 0xffff;
  uint16_t selector = 0;
  uint16_t attributes = 0;

  constexpr unsigned type() const { return attributes & 0xf; }
  constexpr bool code_or_data() const { return attributes & 0x10; }
  constexpr unsigned dpl() const { return (attributes >> 5) & 3; }
  constexpr bool present() const { return attributes & 0x80; }
  constexpr bool long_mode() const { return attributes & 0x2000; }
  constexpr bool default_32() const { return attributes & 0x4000; }
  bool operator==(const Segment&) const = default;
};
static_assert(sizeof(Segment) == 16);

struct DescriptorTable {
  uint64_t base = 0;
  uint64_t limit = 0xffff;
  bool operator==(const DescriptorTable&) const = default;
};

struct CpuState {
  std::array<uint64_t, 16> gpr{};
  uint64_t rip = 0;
  uint64_t rflags = 2;
  std::array<Segment, 6> segments{};  // by SegmentName
  Segment ldtr;
  Segment tr;
  DescriptorTable gdtr;
  DescriptorTable idtr;
  uint64_t cr0 = 0x60000010;
  uint64_t cr2 = 0;
  uint64_t cr3 = 0;
  uint64_t cr4 = 0;
  uint64_t cr8 = 0;
  uint64_t efer = 0;
  uint64_t star = 0;
  uint64_t lstar = 0;
  uint64_t cstar = 0;
  uint64_t sfmask = 0;
  uint64_t kernel_gs_base = 0;
  uint64_t tsc_aux = 0;
  uint64_t pat = 0x0007040600070406;
  uint64_t apic_base = 0xfee00900;
  uint64_t sysenter_cs = 0;
  uint64_t sysenter_esp = 0;
  uint64_t sysenter_eip = 0;
  uint64_t misc_enable = 1;
  uint32_t pkru = 0;
  uint8_t cpl = 0;
  // STI and MOV/POP SS block interrupts for one instruction (SDM vol. 3, 6.8.1 and 6.8.3).
  uint8_t interrupt_shadow = 0;
  uint8_t halted = 0;         // after HLT, until an interrupt
  uint8_t wait_for_sipi = 0;  // after INIT, until SIPI

  uint64_t& reg(Gpr name) { return gpr[static_cast<unsigned>(name)]; }
  uint64_t reg(Gpr name) const { return gpr[static_cast<unsigned>(name)]; }
  Segment& segment(SegmentName name) { return segments[static_cast<unsigned>(name)]; }
  const Segment& segment(SegmentName name) const { return segments[static_cast<unsigned>(name)]; }
  bool operator==(const CpuState&) const = default;
};

}  // namespace mmuscope::x86
