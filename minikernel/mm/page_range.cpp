// SPDX-License-Identifier: GPL-2.0-or-later
//
// Entries of whole ranges: dropping them, moving them, changing what they allow. Linux's zap_page_range,
// move_page_tables, change_protection.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"

namespace mk {

void AddressSpace::zap_range(uint64_t start, uint64_t end) {
  SpinlockGuard guard(page_table_lock_);
  TlbBatch batch(page_table_);
  page_table_.for_each(start, end, [&](uint64_t linear, Pte* entry) {
    if (read_pte(entry).none()) return;
    Pte old = set_pte(entry, Pte());
    if (!old.maps_page()) return;
    batch.changed(linear);
    if (!old.special()) batch.release(old.pfn());
  });
  batch.flush();
}

// PTEs only: whether a page may be written again at once is told by EXCL (really_writable in mm/entry.h).
// Rights that are given need no flush; a stale entry costs a spurious fault.
void AddressSpace::change_protection(const Vma& vma, uint64_t start, uint64_t end) {
  SpinlockGuard guard(page_table_lock_);
  TlbBatch batch(page_table_);
  page_table_.for_each(start, end, [&](uint64_t linear, Pte* entry) {
    Pte old = read_pte(entry);
    if (!old.maps_page()) return;
    Pte wanted = with_protection(old, vma);
    if (wanted == old) return;
    // The processor may set A or D until the entry has changed: those bits are kept.
    Pte seen = set_pte(entry, wanted);
    if (seen != old) set_pte(entry, with_protection(seen, vma));
    if (allows_less(wanted, old)) batch.changed(linear);
  });
  batch.flush();
}

// False when memory is out; nothing has moved then.
bool AddressSpace::move_entries(uint64_t from, uint64_t to, uint64_t length) {
  SpinlockGuard guard(page_table_lock_);
  bool enough = true;
  page_table_.for_each(from, from + length, [&](uint64_t linear, Pte* entry) {
    if (enough && !entry->none()) enough = page_table_.ensure(to + (linear - from)) != nullptr;
  });
  if (!enough) return false;
  TlbBatch batch(page_table_);
  page_table_.for_each(from, from + length, [&](uint64_t linear, Pte* entry) {
    if (entry->none()) return;
    Pte old = set_pte(entry, Pte());
    batch.changed(linear);
    set_pte(page_table_.find(to + (linear - from)),
            old.with(Pte::kSoftDirty));  // as Linux: what moved is new there
  });
  batch.flush();
  return true;
}

}  // namespace mk
