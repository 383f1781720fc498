// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/page_cache.h"

#include "arch/x86_64/memory_layout.h"
#include "lib/assert.h"

namespace mk {
namespace {

constexpr int kBits = 9;
constexpr uint64_t kWays = 1ul << kBits;

Pfn* entries(Pfn node) { return static_cast<Pfn*>(phys_to_virt(node * 4096)); }

uint64_t way(uint64_t index, int level) { return index >> (kBits * level) & (kWays - 1); }

void clear_node(Pfn node, int level) {
  for (uint64_t i = 0; i < kWays; ++i) {
    Pfn child = entries(node)[i];
    if (child == 0) continue;
    if (level > 0) {
      clear_node(child, level - 1);
    } else {
      frame_put(child);
    }
  }
  frame_put(node);
}

}  // namespace

Pfn PageCache::find(uint64_t index) const {
  if (levels_ == 0 || index >> (kBits * levels_) != 0) return 0;
  Pfn node = root_;
  for (int level = levels_ - 1; level > 0 && node != 0; --level) node = entries(node)[way(index, level)];
  return node == 0 ? 0 : entries(node)[way(index, 0)];
}

bool PageCache::insert(uint64_t index, Pfn pfn) {
  while (levels_ == 0 || index >> (kBits * levels_) != 0) {
    Pfn root = alloc_zeroed_frame();
    if (root == 0) return false;
    entries(root)[0] = root_;
    root_ = root;
    ++levels_;
  }
  Pfn node = root_;
  for (int level = levels_ - 1; level > 0; --level) {
    Pfn& child = entries(node)[way(index, level)];
    if (child == 0) child = alloc_zeroed_frame();
    if (child == 0) return false;
    node = child;
  }
  Pfn& entry = entries(node)[way(index, 0)];
  KASSERT(entry == 0);
  entry = pfn;
  return true;
}

Pfn PageCache::find_or_add(uint64_t index, bool* added) {
  Pfn pfn = find(index);
  if (added != nullptr) *added = pfn == 0;
  if (pfn != 0) return pfn;
  pfn = alloc_zeroed_frame();
  if (pfn == 0 || insert(index, pfn)) return pfn;
  frame_put(pfn);
  return 0;
}

void PageCache::clear() {
  if (levels_ != 0) clear_node(root_, levels_ - 1);
  root_ = 0;
  levels_ = 0;
}

}  // namespace mk
