// SPDX-License-Identifier: GPL-2.0-or-later
//
// A page table of 4 or 5 levels (decided at boot): the lower half is the address space's own, the upper half
// the kernel's and the same in all. User memory is mapped with 4 KiB entries. Tables are frames with count 1.
//
// Locks, as Linux's: each last-level table has its own (PteLock), which whoever changes an entry holds;
// making tables takes a lock of the whole page table. Tables go away with the page table only, so a found
// entry stays where it is. Nothing here but destroy() flushes a TLB: who takes rights away calls tlb.h.
#pragma once

#include <stdint.h>

#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/pte.h"
#include "arch/x86_64/tlb.h"
#include "lib/spinlock.h"

namespace mk {

inline constexpr uint64_t kTableSpan = 512 * kPageSize;  // what one last-level table covers

// The two functions that store into a page table, of any level, the kernel's own included. Atomic. The first
// returns what stood there, with the A and D bits the processor had set by then; the second stores only what
// `expected` stands for.
Pte set_pte(Pte* entry, Pte value);
bool compare_exchange_pte(Pte* entry, Pte expected, Pte value);
// An entry as it is now: the processor may be setting A and D in it.
inline Pte read_pte(const Pte* entry) {
  return Pte(__atomic_load_n(reinterpret_cast<const uint64_t*>(entry), __ATOMIC_RELAXED));
}

// Changes an entry to what `change` makes of it, as often as somebody else - the processor, a pin - is
// faster. What stood there.
template <typename Change>
Pte modify_pte(Pte* entry, Change change) {
  while (true) {
    Pte seen = read_pte(entry);
    if (compare_exchange_pte(entry, seen, change(seen))) return seen;
  }
}

// The lock of the last-level table that an entry is in (Linux's pte_lockptr).
Spinlock& pte_lock(const Pte* entry);
class PteLock {
 public:
  explicit PteLock(const Pte* entry) : guard_(pte_lock(entry)) {}

 private:
  SpinlockGuard guard_;
};

class PageTable {
 public:
  // valid() is false when memory is out.
  static PageTable create();
  // Gives all tables of the lower half back. Every entry must have been cleared.
  void destroy();
  bool valid() const { return root_ != 0; }

  // The last-level entry for a user address: null when there is no table for it; ensure() makes the tables,
  // and gives null when memory is out.
  Pte* find(uint64_t linear) const;
  Pte* ensure(uint64_t linear);

  // Calls visit(linear, Pte*) for every last-level entry of [start, end) that has a table, in order of
  // addresses, with the table's lock held.
  template <typename Visit>
  void for_each(uint64_t start, uint64_t end, Visit visit) const {
    for_each_table(start, end, [&](uint64_t linear, uint64_t table_end, Pte* entry) {
      for (; linear < table_end; linear += kPageSize) visit(linear, entry++);
    });
  }
  // The same, table by table: visit(linear, end, Pte*) for the entries from `linear` up to `end`.
  template <typename Visit>
  void for_each_table(uint64_t start, uint64_t end, Visit visit) const {
    while (start < end) {
      uint64_t next = 0;
      Pte* entry = find_or_skip(start, next);
      if (entry != nullptr) {
        PteLock lock(entry);
        visit(start, next < end ? next : end, entry);
      }
      start = next;
    }
  }
  // The first address from `linear` on that has a last-level table; kUserEnd: none has.
  uint64_t skip_holes(uint64_t linear) const;
  // Calls visit(Pfn) for the frame of each table of the lower half, the root's too.
  template <typename Visit>
  void for_each_table_frame(Visit visit) const {
    visit_tables([](Pfn pfn, void* to) { (*static_cast<Visit*>(to))(pfn); }, &visit);
  }

  // For boot: the kernel's own table. map_kernel() makes an entry of the upper half in it, for 4 KiB or (with
  // Pte::kPageSize in `bits`) 2 MiB; tables come from `new_table`, which returns the address of zeroed
  // physical pages.
  static PageTable kernel_table(uint64_t root_physical);
  void map_kernel(uint64_t linear, uint64_t physical, uint64_t bits, uint64_t (*new_table)());
  // Makes the tables for 4 KiB pages of [start, end) ahead, so that find() has an entry for each.
  void reserve_kernel(uint64_t start, uint64_t end, uint64_t (*new_table)());
  uint64_t root_physical() const { return root_ * kPageSize; }
  // Of the lower half, of all levels below the root.
  uint64_t table_count() const { return __atomic_load_n(&table_count_, __ATOMIC_RELAXED); }

 private:
  explicit PageTable(Pfn root) : root_(root) {}
  // As find(); when there is no table, `next` is the first address that may have one. Else the end of this
  // table.
  Pte* find_or_skip(uint64_t linear, uint64_t& next) const;
  void visit_tables(void (*visit)(Pfn, void*), void* argument) const;
  static void free_tables(Pte* table, int level, unsigned entries);

  Pfn root_ = 0;
  uint64_t table_count_ = 0;
  Spinlock tables_lock_;

 public:
  TlbContext tlb;
};

// For boot: one lock for each frame below the end of RAM, in zeroed memory.
void init_pte_locks(Spinlock* locks);

// The table that idle CPUs run on and whose upper half all others share.
PageTable& kernel_page_table();

}  // namespace mk
