// SPDX-License-Identifier: GPL-2.0-or-later
//
// PAGEMAP_SCAN's walk over the pages: Linux's pagemap_scan_pmd_entry() and its like. A page that is reported
// can be write-protected in the same step (PM_SCAN_WP_MATCHING), for monitors with WP_ASYNC: getting and
// resetting what was written is then one operation on the entry.
#include "mm/pagemap_scan.h"

#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "mm/zero_page.h"

namespace mk {
namespace {

using Scan = PagemapScan;

uint64_t categories_of(Pte entry) {
  if (entry.none()) return Scan::kWritten;  // nobody has protected it
  uint64_t categories = entry.has(Pte::kUffdWp) ? 0 : Scan::kWritten;
  if (entry.has(Pte::kSoftDirty)) categories |= Scan::kSoftDirty;
  if (!entry.maps_page()) return categories | Scan::kSwapped | (entry.guard() ? Scan::kGuard : 0);
  categories |= Scan::kPresent;
  if (entry.special()) return categories | (entry.pfn() == zero_page_pfn() ? Scan::kZeroPage : 0);
  return categories | (entry.has(Pte::kFile) ? Scan::kFile : 0);
}

}  // namespace

uint64_t PagemapScan::add(uint64_t start, uint64_t pages, uint64_t categories) {
  if (!wants_regions) return pages;
  categories &= return_mask;
  pages = min(pages, max_pages - found);
  if (pages == 0) return 0;
  PageRegion* last = count_ > 0 ? &buffer_[count_ - 1] : nullptr;
  if (last != nullptr && last->end == start && last->categories == categories) {
    last->end += pages * kPageSize;
  } else {
    if (count_ == room_) return 0;
    buffer_[count_++] = {start, start + pages * kPageSize, categories};
  }
  found += pages;
  return pages;
}

// One table's entries. -ENOSPC: no room, `scan.at` is where it goes on.
long AddressSpace::scan_table(PagemapScan& scan, const Vma& vma, uint64_t area, uint64_t end) {
  Pte* entry = page_table_.find(scan.at);
  bool protects = scan.flags & Scan::kWpMatching;
  if (entry == nullptr) {  // all alike
    area |= Scan::kWritten;
    if (!scan.page_matches(area)) {
      scan.at = end;
      return 0;
    }
    uint64_t pages = (end - scan.at) / kPageSize;
    uint64_t done = scan.add(scan.at, pages, area);
    uint64_t from = scan.at;
    scan.at += done * kPageSize;
    if (protects && done > 0)
      if (long error = protect_area(vma, from, scan.at); error < 0) return error;
    return done < pages ? -ENOSPC : 0;
  }
  PteLock lock(entry);
  uint64_t flush_start = 0, flush_end = 0;
  bool only_protects = protects && !scan.wants_regions;
  long result = 0;
  for (; scan.at < end; scan.at += kPageSize, ++entry) {
    Pte now = read_pte(entry);
    uint64_t categories = area | categories_of(now);
    bool wanted = only_protects ? !now.has(Pte::kUffdWp) : scan.page_matches(categories);
    if (!wanted) continue;
    if (scan.add(scan.at, 1, categories) == 0) {
      result = -ENOSPC;
      break;
    }
    if (!protects || !(categories & Scan::kWritten)) continue;
    if (now.guard() ||
        now.poisoned()) {  // UFFDIO_WRITEPROTECT leaves these alone; Linux's make_uffd_wp_pte not
      set_pte(entry, now.with(Pte::kUffdWp));
    } else if (protect_page(vma, entry)) {
      if (flush_end == 0) flush_start = scan.at;
      flush_end = scan.at + kPageSize;
    }
  }
  if (flush_end != 0) flush_tlb(page_table_, flush_start, flush_end);
  return result;
}

// -EPERM: an area without WP_ASYNC where that was asked for. -ENOSPC: the buffer is full, or enough found.
long AddressSpace::scan_pagemap(PagemapScan& scan) {
  MmapReadGuard guard(mmap_lock_);
  for (; scan.at < scan.end;) {
    Vma* vma = vmas_.find_intersection(scan.at, scan.end);
    if (vma == nullptr) break;
    scan.at = max(scan.at, vma->start);
    uint64_t area_end = min(vma->end, scan.end);
    bool allowed = (vma->flags & kVmUffdWp) && vma->userfaultfd->has(uffd::kFeatureWpAsync);
    if (!allowed && (scan.flags & Scan::kCheckWpAsync)) return -EPERM;
    uint64_t area = (allowed ? Scan::kWpAllowed : 0) | (vma->tracks_soft_dirty() ? 0ul : Scan::kSoftDirty);
    bool skips = (!allowed && (scan.flags & Scan::kWpMatching)) || vma->pfn_map() || !scan.area_matches(area);
    if (skips) scan.at = area_end;
    while (scan.at < area_end) {
      uint64_t table_end = min(area_end, (scan.at / kTableSpan + 1) * kTableSpan);
      if (long error = scan_table(scan, *vma, area, table_end); error < 0) return error;
    }
  }
  scan.at = scan.end;
  return 0;
}

}  // namespace mk
