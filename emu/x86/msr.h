// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model-specific registers (SDM vol. 4, table 2-2, only those this machine has) and CPUID. RDMSR/WRMSR of
// anything else is #GP(0). TSC reads as counted instructions (the caller passes it); APIC_BASE is reported,
// its relocation and x2APIC are refused (#GP).
#pragma once

#include <cstdint>
#include <expected>

#include "x86/control_registers.h"
#include "x86/cpu_state.h"

namespace mmuscope::x86 {

namespace msr {
inline constexpr uint32_t kTsc = 0x10, kApicBase = 0x1b, kMtrrCap = 0xfe, kSysenterCs = 0x174,
                          kSysenterEsp = 0x175, kSysenterEip = 0x176, kMiscEnable = 0x1a0, kPat = 0x277,
                          kMtrrDefType = 0x2ff, kEfer = 0xc0000080, kStar = 0xc0000081, kLstar = 0xc0000082,
                          kCstar = 0xc0000083, kSfmask = 0xc0000084, kFsBase = 0xc0000100,
                          kGsBase = 0xc0000101, kKernelGsBase = 0xc0000102, kTscAux = 0xc0000103;
}

std::expected<uint64_t, GeneralProtection> read_msr(const CpuState& state, uint32_t number, uint64_t tsc);
// Applies the write; returns what it does to the TLB (EFER).
std::expected<TlbEffect, GeneralProtection> write_msr(CpuState& state, uint32_t number, uint64_t value,
                                                      const CpuFeatures& features);

struct CpuidResult {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
// Promises exactly what engine and machine execute: x86-64 with SSE2 (no SSE3+ unless the engine has it, no
// AVX, no OSXSAVE, no RDRAND, no RDTSCP unless caught), the paging features of `features`, xAPIC, and leaf
// 0x15 saying that the TSC runs at kTscHz. Vendor string "GenuineIntel", brand string "mmuscope".
CpuidResult cpuid(uint32_t leaf, uint32_t subleaf, const CpuState& state, const CpuFeatures& features,
                  uint32_t apic_id, uint32_t cpu_count);

inline constexpr uint64_t kTscHz = 1'000'000'000;  // one tick an instruction, called a nanosecond

}  // namespace mmuscope::x86
