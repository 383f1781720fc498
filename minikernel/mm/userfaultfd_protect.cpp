// SPDX-License-Identifier: GPL-2.0-or-later
//
// UFFDIO_WRITEPROTECT: Linux's mwriteprotect_range() and the part of change_pte_range() that is about it. An
// operation on entries alone: protecting sets UFFD_WP and clears W, un-protecting clears UFFD_WP and gives W
// back where the page is really writable (mm/entry.h) - what Linux before 5.19 left to the next write fault,
// so the policies of that time still do. Under the policies that decide by entries no frame is looked at.
//
// mmap_lock is held for reading, so other faults run: what loses W is flushed before the page-table lock is
// let go, and nobody relies on a flush that is still to come. Gaining W needs none.
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "mm/vmstat.h"

namespace mk {
namespace {

// A page that is not there yet can be protected too, by a marker: of a file, because the file may have it; of
// anonymous memory when the monitor asked for that (WP_UNPOPULATED).
bool uses_markers(const Vma& vma) {
  return !vma.anonymous() || vma.userfaultfd->has(uffd::kFeatureWpUnpopulated | uffd::kFeatureWpAsync);
}

}  // namespace

// Of an area that is registered for it, with the page-table lock held. True: a right is gone, the TLBs must
// hear of it.
bool AddressSpace::protect_page(const Vma& vma, Pte* entry) {
  Pte old = read_pte(entry);
  if (old.none()) {
    if (uses_markers(vma)) set_pte(entry, Pte(Pte::kUffdWp));
    return false;
  }
  if (!old.maps_page() || old.has(Pte::kUffdWp)) return false;
  return modify_pte(entry, [](Pte now) { return now.without(Pte::kWrite).with(Pte::kUffdWp); }).writable();
}

// [start, end) lies inside `vma`. -ENOMEM: no tables for markers.
long AddressSpace::protect_area(const Vma& vma, uint64_t start, uint64_t end) {
  if (uses_markers(vma))
    for (uint64_t at = start; at < end; at = (at / kTableSpan + 1) * kTableSpan)
      if (page_table_.ensure(at) == nullptr) return -ENOMEM;
  page_table_.for_each_table(start, end, [&](uint64_t linear, uint64_t table_end, Pte* entry) {
    uint64_t first = 0, last = 0;
    for (; linear < table_end; linear += kPageSize, ++entry) {
      if (!protect_page(vma, entry)) continue;
      if (last == 0) first = linear;
      last = linear + kPageSize;
    }
    if (last != 0) flush_tlb(page_table_, first, last);
  });
  return 0;
}

void AddressSpace::unprotect_area(const Vma& vma, uint64_t start, uint64_t end) {
  page_table_.for_each(start, end, [&](uint64_t, Pte* entry) {
    Pte old = read_pte(entry);
    if (old.wp_marker()) set_pte(entry, Pte());
    if (!old.maps_page() || !old.has(Pte::kUffdWp)) return;
    bool writable = really_writable(old, vma);
    modify_pte(entry, [&](Pte now) { return with_protection(now.without(Pte::kUffdWp), vma, writable); });
  });
}

// EAGAIN: the map is changing. ENOENT: nothing is mapped there, or not registered for it; what comes before
// stays done.
long AddressSpace::userfault_protect(const Userfaultfd& context, uint64_t start, uint64_t length,
                                     bool protect) {
  uint64_t end = start + length;
  MmapReadGuard guard(mmap_lock_);
  if (context.mmap_changing()) return -EAGAIN;
  long error = -ENOENT;
  for (Vma* vma = vmas_.find_intersection(start, end); vma != nullptr && vma->start < end; vma = vma->next) {
    if (!(vma->flags & kVmUffdWp)) return -ENOENT;
    uint64_t from = max(start, vma->start);
    uint64_t to = min(end, vma->end);
    error = 0;
    if (protect) {
      error = protect_area(*vma, from, to);
    } else {
      unprotect_area(*vma, from, to);
    }
    if (error < 0) return error;
  }
  return error;
}

}  // namespace mk
