// SPDX-License-Identifier: GPL-2.0-or-later
//
// /proc/PID/clear_refs: Linux's clear_refs_write() (fs/proc/task_mmu.c). Which pages are written from now on,
// and which are used at all, is told by entries alone: no frame is looked at, so memory of devices takes
// part, too (Linux leaves it out).
//
// Soft-dirty tracking is on in areas without VM_SOFTDIRTY (Vma::tracks_soft_dirty): there an entry without
// SOFT_DIRTY has no W (mm/entry.h, write_is_watched), and the write fault that gives W sets it. Whatever is
// new in an area (mmap, mremap, growing) sets VM_SOFTDIRTY for all of it: too much is told, never too little.
// A page that somebody may write without an entry stays as it is (CowPolicy::stays_soft_dirty).
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"

namespace mk {
namespace {

// True: W is gone.
bool clear_soft_dirty(const Vma& vma, Pte* entry) {
  Pte old = read_pte(entry);
  if (!old.maps_page()) {
    if (old.has(Pte::kSoftDirty)) set_pte(entry, old.without(Pte::kSoftDirty));
    return false;
  }
  while (old.has(Pte::kSoftDirty) || old.writable()) {
    bool stays = vma.is_private() && !old.special() && cow().stays_soft_dirty(entry, old);
    Pte wanted = stays ? old.with(Pte::kSoftDirty) : old.without(Pte::kSoftDirty | Pte::kWrite);
    if (compare_exchange_pte(entry, old, wanted)) return old.writable() && !stays;
    old = read_pte(entry);  // the processor or a pin was faster
  }
  return false;
}

// The flush is left to chance, as in Linux: a TLB may go on without setting the bit for a while.
void clear_accessed(Pte* entry) {
  Pte old = read_pte(entry);
  if (!old.maps_page() || !old.has(Pte::kAccessed)) return;
  modify_pte(entry, [](Pte now) { return now.without(Pte::kAccessed); });
}

}  // namespace

void AddressSpace::clear_soft_dirty_bits() {
  MmapWriteGuard guard(mmap_lock_);
  TlbBatch batch(*this);
  for (Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) {
    vma->flags &= ~kVmSoftDirty;
    page_table_.for_each(vma->start, vma->end, [&](uint64_t linear, Pte* entry) {
      if (clear_soft_dirty(*vma, entry)) batch.changed(linear);
    });
  }
  batch.flush();
}

void AddressSpace::clear_accessed_bits(bool anonymous, bool files) {
  MmapReadGuard guard(mmap_lock_);
  for (Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) {
    if (vma->anonymous() ? !anonymous : !files) continue;
    page_table_.for_each(vma->start, vma->end, [](uint64_t, Pte* entry) { clear_accessed(entry); });
  }
}

void AddressSpace::reset_max_rss() { __atomic_store_n(&max_rss_pages_, rss_pages(), __ATOMIC_RELAXED); }

}  // namespace mk
