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

// How many pages lie below an entry of a node of `level`.
uint64_t span(int level) { return 1ul << (kBits * level); }

}  // namespace

Pfn* PageCache::find_entry(uint64_t index) const {
  if (levels_ == 0 || index >> (kBits * levels_) != 0) return nullptr;
  Pfn node = root_;
  for (int level = levels_ - 1; level > 0 && node != 0; --level) node = entries(node)[way(index, level)];
  return node == 0 ? nullptr : &entries(node)[way(index, 0)];
}

Pfn PageCache::find(uint64_t index) const {
  const Pfn* entry = find_entry(index);
  return entry == nullptr ? 0 : *entry & ~kReserved;
}

void PageCache::set_reserved(uint64_t index, bool reserved) {
  Pfn* entry = find_entry(index);
  KASSERT(entry != nullptr && *entry != 0);
  *entry = reserved ? *entry | kReserved : *entry & ~kReserved;
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
  ++count_;
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

uint64_t PageCache::next_present(uint64_t index, bool reserved) const {
  if (levels_ == 0 || index >> (kBits * levels_) != 0) return kEnd;
  return next_in(root_, levels_ - 1, 0, index, reserved);
}

// In the pages of `node`, which start at `start`.
uint64_t PageCache::next_in(Pfn node, int level, uint64_t start, uint64_t index, bool reserved) const {
  uint64_t first = index <= start ? 0 : (index - start) >> (kBits * level);
  for (uint64_t i = first; i < kWays; ++i) {
    Pfn child = entries(node)[i];
    if (child == 0 || (!reserved && (child & kReserved))) continue;
    uint64_t child_start = start + i * span(level);
    if (level == 0) return child_start;
    uint64_t found = next_in(child, level - 1, child_start, index, reserved);
    if (found != kEnd) return found;
  }
  return kEnd;
}

void PageCache::remove_range(uint64_t first, uint64_t end) {
  if (levels_ == 0 || first >= end || !remove_in(root_, levels_ - 1, 0, first, end)) return;
  KASSERT(count_ == 0);
  root_ = 0;
  levels_ = 0;
}

// True when all of the node lay in the range: it is gone then.
bool PageCache::remove_in(Pfn node, int level, uint64_t start, uint64_t first, uint64_t end) {
  for (uint64_t i = 0; i < kWays; ++i) {
    uint64_t child_start = start + i * span(level);
    Pfn& child = entries(node)[i];
    if (child == 0 || child_start >= end || child_start + span(level) <= first) continue;
    if (level > 0) {
      if (remove_in(child, level - 1, child_start, first, end)) child = 0;
    } else {
      frame_put(child & ~kReserved);
      child = 0;
      --count_;
    }
  }
  if (first > start || end - start < span(level + 1)) return false;
  frame_put(node);
  return true;
}

}  // namespace mk
