// SPDX-License-Identifier: GPL-2.0-or-later
//
// Entries of whole ranges: dropping them, moving them, changing what they allow. Linux's zap_page_range,
// move_page_tables, change_protection. All with mmap_lock held for writing.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"

namespace mk {

void AddressSpace::zap_range(uint64_t start, uint64_t end) {
  TlbBatch batch(*this);
  int64_t dropped = 0;
  page_table_.for_each(start, end, [&](uint64_t linear, Pte* entry) {
    if (read_pte(entry).none()) return;
    Pte old = set_pte(entry, Pte());
    if (!old.maps_page()) return;
    batch.changed(linear);
    if (old.special()) return;
    cow().unmap(old);
    ++dropped;
    batch.release(old.pfn());
  });
  batch.flush();
  count_rss(-dropped);
}

// Rights that are given need no flush; a stale entry costs a spurious fault. Whether a page may be written
// again at once is the copy-on-write policy's to say.
void AddressSpace::change_protection(const Vma& vma, uint64_t start, uint64_t end) {
  TlbBatch batch(*this);
  page_table_.for_each(start, end, [&](uint64_t linear, Pte* entry) {
    Pte old = read_pte(entry);
    if (!old.maps_page()) return;
    bool writable = really_writable(old, vma);
    Pte wanted = with_protection(old, vma, writable);
    if (wanted == old) return;
    // The processor may set A or D until the entry has changed: those bits are kept.
    Pte seen = set_pte(entry, wanted);
    if (seen != old) set_pte(entry, with_protection(seen, vma, writable));
    if (allows_less(wanted, old)) batch.changed(linear);
  });
  batch.flush();
}

// False when memory is out; nothing has moved then.
bool AddressSpace::move_entries(uint64_t from, uint64_t to, uint64_t length) {
  bool enough = true;
  page_table_.for_each(from, from + length, [&](uint64_t linear, Pte* entry) {
    if (enough && !read_pte(entry).none()) enough = page_table_.ensure(to + (linear - from)) != nullptr;
  });
  if (!enough) return false;
  TlbBatch batch(*this);
  for (uint64_t done = 0; done < length; done += kPageSize) {
    Pte* entry = page_table_.find(from + done);
    if (entry == nullptr) continue;
    Pte old;
    {
      PteLock lock(entry);
      if (read_pte(entry).none()) continue;
      old = set_pte(entry, Pte());
    }
    batch.changed(from + done);
    Pte* target = page_table_.find(to + done);
    PteLock lock(target);
    set_pte(target, old.with(Pte::kSoftDirty));  // as Linux: what moved is new there
  }
  batch.flush();
  return true;
}

void AddressSpace::count_rss(int64_t pages) {
  if (pages == 0) return;
  uint64_t now = __atomic_add_fetch(&rss_pages_, static_cast<uint64_t>(pages), __ATOMIC_RELAXED);
  if (now > max_rss_pages() && pages > 0) __atomic_store_n(&max_rss_pages_, now, __ATOMIC_RELAXED);
}

}  // namespace mk
