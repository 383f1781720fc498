// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/page_table.h"

#include "arch/x86_64/cpu.h"
#include "lib/assert.h"
#include "lib/string.h"

namespace mk {
namespace {

constexpr unsigned kEntries = 512;
// Entries that point to another table leave every right to the last level (SDM Vol. 3, 4.6: rights are
// and-ed).
constexpr uint64_t kTableBits = Pte::kPresent | Pte::kWrite | Pte::kUser;

PageTable kernel_table_instance = PageTable::kernel_table(0);
Spinlock* pte_locks;  // by frame

int top_level() { return five_level_paging ? 4 : 3; }

unsigned index_at(uint64_t linear, int level) { return linear >> (12 + 9 * level) & (kEntries - 1); }

// How much one entry of a level maps.
uint64_t span(int level) { return 1ul << (12 + 9 * level); }

Pte* table_of(Pfn pfn) { return static_cast<Pte*>(phys_to_virt(pfn * kPageSize)); }

}  // namespace

Pte set_pte(Pte* entry, Pte value) {
  return Pte(__atomic_exchange_n(reinterpret_cast<uint64_t*>(entry), value.value(), __ATOMIC_SEQ_CST));
}

bool compare_exchange_pte(Pte* entry, Pte expected, Pte value) {
  uint64_t seen = expected.value();
  return __atomic_compare_exchange_n(reinterpret_cast<uint64_t*>(entry), &seen, value.value(), false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

Spinlock& pte_lock(const Pte* entry) { return pte_locks[virt_to_phys(entry) / kPageSize]; }
void init_pte_locks(Spinlock* locks) { pte_locks = locks; }

PageTable& kernel_page_table() { return kernel_table_instance; }

PageTable PageTable::kernel_table(uint64_t root_physical) { return PageTable(root_physical / kPageSize); }

PageTable PageTable::create() {
  Pfn root = alloc_zeroed_frame();
  if (root == 0) return PageTable(0);
  const Pte* kernel = table_of(kernel_table_instance.root_);
  Pte* own = table_of(root);
  for (unsigned i = kEntries / 2; i < kEntries; ++i)
    if (!kernel[i].none()) set_pte(&own[i], kernel[i]);
  PageTable table(root);
  static uint64_t last_id = 0;
  table.tlb.id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
  return table;
}

void PageTable::free_tables(Pte* table, int level, unsigned entries) {
  for (unsigned i = 0; i < entries; ++i) {
    Pte entry = table[i];
    if (entry.none()) continue;
    KASSERT(level > 0);  // a page is still mapped
    free_tables(table_of(entry.pfn()), level - 1, kEntries);
    frame_put(entry.pfn());
  }
}

void PageTable::destroy() {
  KASSERT(valid() && root_ != kernel_table_instance.root_);
  release_tlb(*this);
  free_tables(table_of(root_), top_level(), kEntries / 2);
  frame_put(root_);
  root_ = 0;
}

namespace {

void visit_table(Pfn pfn, int level, unsigned entries, void (*visit)(Pfn, void*), void* argument) {
  visit(pfn, argument);
  for (unsigned i = 0; level > 0 && i < entries; ++i) {
    Pte entry = read_pte(&table_of(pfn)[i]);
    if (entry.maps_page()) visit_table(entry.pfn(), level - 1, kEntries, visit, argument);
  }
}

}  // namespace

void PageTable::visit_tables(void (*visit)(Pfn, void*), void* argument) const {
  visit_table(root_, top_level(), kEntries / 2, visit, argument);
}

uint64_t PageTable::skip_holes(uint64_t linear) const {
  for (uint64_t next = 0; linear < kUserEnd; linear = next)
    if (find_or_skip(linear, next) != nullptr) return linear;
  return kUserEnd;
}

Pte* PageTable::find_or_skip(uint64_t linear, uint64_t& next) const {
  Pte* table = table_of(root_);
  for (int level = top_level(); level > 0; --level) {
    Pte entry = read_pte(&table[index_at(linear, level)]);
    if (!entry.maps_page()) {
      next = (linear & ~(span(level) - 1)) + span(level);
      return nullptr;
    }
    table = table_of(entry.pfn());
  }
  next = (linear & ~(span(1) - 1)) + span(1);
  return &table[index_at(linear, 0)];
}

Pte* PageTable::find(uint64_t linear) const {
  uint64_t next;
  return find_or_skip(linear, next);
}

Pte* PageTable::ensure(uint64_t linear) {
  KASSERT(linear < kUserEnd);
  Pte* table = table_of(root_);
  for (int level = top_level(); level > 0; --level) {
    Pte* entry = &table[index_at(linear, level)];
    if (!read_pte(entry).maps_page()) {
      SpinlockGuard guard(tables_lock_);
      if (!read_pte(entry).maps_page()) {
        Pfn pfn = alloc_zeroed_frame();
        if (pfn == 0) return nullptr;
        set_pte(entry, Pte::for_frame(pfn, kTableBits));
        __atomic_fetch_add(&table_count_, 1, __ATOMIC_RELAXED);
      }
    }
    table = table_of(read_pte(entry).pfn());
  }
  return &table[index_at(linear, 0)];
}

void PageTable::map_kernel(uint64_t linear, uint64_t physical, uint64_t bits, uint64_t (*new_table)()) {
  int leaf = bits & Pte::kPageSize ? 1 : 0;
  Pte* table = table_of(root_);
  for (int level = top_level(); level > leaf; --level) {
    Pte* entry = &table[index_at(linear, level)];
    if (entry->none()) set_pte(entry, Pte(new_table() | Pte::kPresent | Pte::kWrite));
    table = table_of(entry->pfn());
  }
  Pte* entry = &table[index_at(linear, leaf)];
  KASSERT(entry->none());
  set_pte(entry, Pte(physical | bits | Pte::kPresent | Pte::kGlobal));
}

void PageTable::reserve_kernel(uint64_t start, uint64_t end, uint64_t (*new_table)()) {
  for (uint64_t linear = start; linear < end; linear += span(1)) {
    Pte* table = table_of(root_);
    for (int level = top_level(); level > 0; --level) {
      Pte* entry = &table[index_at(linear, level)];
      if (entry->none()) set_pte(entry, Pte(new_table() | Pte::kPresent | Pte::kWrite));
      table = table_of(entry->pfn());
    }
  }
}

}  // namespace mk
