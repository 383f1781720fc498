// SPDX-License-Identifier: GPL-2.0-or-later
//
// Dropping entries of this CPU's TLB (SDM Vol. 3, 4.10.4). An address space runs on one CPU until issue 4.
#pragma once

#include <stdint.h>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"

namespace mk {

inline void flush_tlb_page(uint64_t linear) { asm volatile("invlpg (%0)" : : "r"(linear) : "memory"); }

// All entries that are not global.
inline void flush_tlb_all() { write_cr3(read_cr3()); }

// Page by page up to the number of pages where Linux, too, finds one full flush cheaper
// (tlb_single_page_flush_ceiling).
inline constexpr uint64_t kSinglePageFlushCeiling = 33;

inline void flush_tlb_range(uint64_t start, uint64_t end) {
  if ((end - start) / kPageSize > kSinglePageFlushCeiling) return flush_tlb_all();
  for (; start < end; start += kPageSize) flush_tlb_page(start);
}

}  // namespace mk
