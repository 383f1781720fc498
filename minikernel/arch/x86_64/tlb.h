// SPDX-License-Identifier: GPL-2.0-or-later
//
// The TLBs of all CPUs (SDM Vol. 3, 4.10) and which address space each CPU has loaded: Linux's
// arch/x86/mm/tlb.c. A change that takes rights away is told by flush_tlb(), which returns when no CPU can
// use an older entry any more.
//
// * Every flush of an address space has a number (TlbContext::generation, Linux's tlb_gen). A CPU remembers
// for each of
//   the few address spaces it ran last, by PCID, up to which flush it has followed; when it takes one up
//   again and is behind, it drops that PCID's entries. Without PCIDs every switch drops all.
// * A CPU that idles keeps the tables of its last program loaded (lazy TLB). Nobody interrupts it for a
// flush; it
//   catches up when it wakes for the same program.
// * The others are told by IPI, one request a sender, and the sender waits. The kernel runs with interrupts
// off: whoever
//   waits for anything (spin_relax) answers requests meanwhile.
// What gains rights needs no flush: a stale entry costs a spurious fault (4.10.4.1).
#pragma once

#include <stdint.h>

namespace mk {

class PageTable;

// Of an address space; lives in its PageTable.
struct TlbContext {
  uint64_t id = 0;          // never used again
  uint64_t generation = 1;  // of the newest flush that was asked for
  uint64_t cpus = 0;        // bit n: CPU n has it loaded, lazily perhaps (Linux's mm_cpumask)
};

// What one CPU asks of others.
struct TlbRequest {
  PageTable* table;     // null: the kernel's own range
  uint64_t start, end;  // page-aligned
  uint64_t generation;
  bool leave;  // the tables are going away: load the kernel's instead
};

// Of a CPU; lives in its PerCpu.
struct CpuTlb {
  static constexpr unsigned kSlots =
      6;  // Linux's TLB_NR_DYN_ASIDS; slot n has PCID n + 1, the kernel's tables PCID 0
  struct Slot {
    uint64_t context;     // id; 0: none
    uint64_t generation;  // the flush up to which the entries are right
  };
  PageTable* loaded;  // null: the kernel's
  unsigned slot;      // of `loaded`
  unsigned next_slot;
  bool lazy;
  Slot slots[kSlots];

  uint64_t requests;    // bit n: CPU n waits for this one
  TlbRequest request;   // this CPU's own
  uint32_t unanswered;  // CPUs that have not done it yet
};

// For each CPU at its start: takes PCIDs where the processor has them.
void init_tlb();

// Switches this CPU to other tables; null: the kernel's.
void load_page_table(PageTable* table);
// This CPU idles from now on, with the same tables.
void enter_lazy_tlb();

// No CPU uses entries of [start, end) made before this call once it returns.
void flush_tlb(PageTable& table, uint64_t start, uint64_t end);
// The same for addresses of the kernel, which all CPUs share.
void flush_kernel_tlb(uint64_t start, uint64_t end);
// Makes every CPU that has `table` loaded lazily load the kernel's.
void release_tlb(PageTable& table);

// Does what other CPUs wait for; by IPI and by whoever spins.
void answer_tlb_requests();

}  // namespace mk
