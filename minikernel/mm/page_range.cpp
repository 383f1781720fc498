// SPDX-License-Identifier: GPL-2.0-or-later
//
// Entries of whole ranges: dropping them, moving them, changing what they allow. Linux's zap_page_range,
// move_page_tables, change_protection. All with mmap_lock held for writing.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"

namespace mk {

namespace {

// What is left of a write-protected page of a file that goes: the file may have it again (Linux's
// zap_install_uffd_wp_if_needed).
Pte left_behind(Pte old, const Vma* area) {
  bool keeps = area != nullptr && !area->anonymous() && (area->flags & kVmUffdWp) && old.has(Pte::kUffdWp);
  return Pte(keeps ? Pte::kUffdWp : 0);
}

}  // namespace

void AddressSpace::zap_range(uint64_t start, uint64_t end, ZapRules rules) {
  TlbBatch batch(*this);
  int64_t dropped = 0;
  page_table_.for_each(start, end, [&](uint64_t linear, Pte* entry) {
    Pte now = read_pte(entry);
    if (now.none() || (rules.not_protected && now.has(Pte::kUffdWp))) return;
    if (!now.maps_page()) {
      if (rules.only_file_pages) return;
      Pte left = now.guard() ? now : left_behind(now, rules.area);
      if (rules.markers) left = Pte();
      if (left != now) set_pte(entry, left);
      return;
    }
    if (rules.only_file_pages && !now.has(Pte::kFile)) return;
    Pte old = set_pte(entry, left_behind(now, rules.area));
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
    modify_pte(entry, [&](Pte seen) { return with_protection(seen, vma, writable); });
    if (allows_less(wanted, old)) batch.changed(linear);
  });
  batch.flush();
}

// Leaves nothing but guard markers in the range. -ENOMEM: some pages are guarded, all are gone.
long AddressSpace::install_guards(uint64_t start, uint64_t end) {
  zap_range(start, end);
  for (uint64_t at = start; at < end; at += kPageSize) {
    Pte* entry = page_table_.ensure(at);
    if (entry == nullptr) return -ENOMEM;
    PteLock lock(entry);
    if (!read_pte(entry).guard()) set_pte(entry, Pte(Pte::kGuardMarker));
  }
  return 0;
}

void AddressSpace::remove_guards(uint64_t start, uint64_t end) {
  page_table_.for_each(start, end, [&](uint64_t, Pte* entry) {
    if (read_pte(entry).guard()) set_pte(entry, Pte());
  });
}

// False when memory is out; nothing has moved then.
bool AddressSpace::move_entries(const Vma& vma, uint64_t from, uint64_t to, uint64_t length, bool drops_wp) {
  bool enough = true;
  page_table_.for_each(from, from + length, [&](uint64_t linear, Pte* entry) {
    if (enough && !read_pte(entry).none()) enough = page_table_.ensure(to + (linear - from)) != nullptr;
  });
  if (!enough) return false;
  TlbBatch batch(*this);
  for (uint64_t done = 0, next = 0; done < length; done = next) {
    next = done + kPageSize;
    Pte* entry = page_table_.find(from + done);
    if (entry == nullptr) {  // there is none for the whole table
      next = (from + done) / kTableSpan * kTableSpan + kTableSpan - from;
      continue;
    }
    Pte old;
    {
      PteLock lock(entry);
      if (read_pte(entry).none()) continue;
      old = set_pte(entry, Pte());
    }
    if (old.maps_page()) batch.changed(from + done);
    Pte* target = page_table_.find(to + done);
    PteLock lock(target);
    if (drops_wp && old.wp_marker()) continue;
    // As Linux: what moved is new there. W is given where it was withheld.
    Pte moved = (drops_wp ? old.without(Pte::kUffdWp) : old).with(Pte::kSoftDirty);
    set_pte(target, moved.maps_page() ? with_protection(moved, vma, really_writable(moved, vma)) : moved);
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
