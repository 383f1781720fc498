// SPDX-License-Identifier: GPL-2.0-or-later
//
// One PAGEMAP_SCAN (Documentation/admin-guide/mm/pagemap.rst): what is looked for, where it has come to, and
// a buffer of regions. Categories and flags are those of <linux/fs.h>.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/kmalloc.h"

namespace mk {

// struct page_region.
struct PageRegion {
  uint64_t start, end, categories;
};

struct PagemapScan {
  static constexpr uint64_t kWpMatching = 1, kCheckWpAsync = 2;  // flags
  static constexpr uint64_t kWpAllowed = 1 << 0, kWritten = 1 << 1, kFile = 1 << 2, kPresent = 1 << 3,
                            kSwapped = 1 << 4, kZeroPage = 1 << 5, kHuge = 1 << 6, kSoftDirty = 1 << 7,
                            kGuard = 1 << 8, kCategories = (1 << 9) - 1;

  uint64_t flags = 0;
  uint64_t at = 0, end = 0;  // [at, end) is still to be looked at
  uint64_t inverted = 0, mask = 0, any_mask = 0, return_mask = 0;
  uint64_t max_pages = UINT64_MAX;
  bool wants_regions = false;
  uint64_t found = 0;  // pages

  PagemapScan() = default;
  PagemapScan(const PagemapScan&) = delete;
  ~PagemapScan() { kfree(buffer_); }
  bool allocate() { return (buffer_ = static_cast<PageRegion*>(kmalloc(kBuffer * sizeof(PageRegion)))); }
  void set_room(uint64_t regions) { room_ = regions < kBuffer ? regions : kBuffer; }
  const PageRegion* regions() const { return buffer_; }
  uint64_t take_regions() {
    uint64_t count = count_;
    count_ = 0;
    return count;
  }
  bool found_all() const { return found == max_pages; }

  bool area_matches(uint64_t categories) const { return has_required(categories, mask & kWpAllowed); }
  bool page_matches(uint64_t categories) const {
    return has_required(categories, mask) && (any_mask == 0 || ((categories ^ inverted) & any_mask) != 0);
  }
  // Adds up to `pages` pages from `start` on. How many there was room for.
  uint64_t add(uint64_t start, uint64_t pages, uint64_t categories);

 private:
  static constexpr uint64_t kBuffer = kMaxKmalloc / sizeof(PageRegion);
  bool has_required(uint64_t categories, uint64_t required) const {
    return ((categories ^ inverted) & required) == required;
  }

  PageRegion* buffer_ = nullptr;
  uint64_t room_ = 0;
  uint64_t count_ = 0;
};

}  // namespace mk
