// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/mappings.h"

#include <linux/kernel-page-flags.h>

#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/frame_table.h"
#include "mm/user_memory.h"
#include "mm/zero_page.h"

namespace mk {

MappingCounter::MappingCounter(size_t most) : entries_(most), slots_(2 * most) { KASSERT(most <= kMost); }

void MappingCounter::clear() {
  size_ = 0;
  if (any_slot_) slots_.clear();
  any_slot_ = false;
}

// The frame's slot, or the empty one that it would get.
MappingCounter::Slot& MappingCounter::find(Pfn pfn) const {
  size_t at = (pfn * 0x9e3779b97f4a7c15 >> 32) % slots_.size();
  while (slots_[at].pfn != 0 && slots_[at].pfn != pfn) at = (at + 1) % slots_.size();
  return slots_[at];
}

void MappingCounter::add(Pte entry) {
  entries_[size_++] = entry;
  if (frame_count(entry.pfn()) <= (entry.has(Pte::kFile) ? 2 : 1)) return;
  find(entry.pfn()).pfn = static_cast<uint32_t>(entry.pfn());
  any_slot_ = true;
}

void MappingCounter::count() {
  if (!any_slot_) return;
  AddressSpace::for_each_mapping([&](Pte entry) {
    Slot& slot = find(entry.pfn());
    if (slot.pfn != 0) ++slot.mappings;
  });
}

unsigned MappingCounter::mappings(Pfn pfn) const {
  return max(1u, find(pfn).mappings);  // it may have been unmapped since
}

namespace {

constexpr uint64_t bit(unsigned flag) { return 1ul << flag; }
constexpr unsigned kKpfReserved = 32;  // Linux's include/linux/kernel-page-flags.h

uint64_t flags_of_unmapped(Pfn pfn) {
  if (frame_descriptor(pfn).flags & FrameDescriptor::kReserved)
    return bit(kKpfReserved) | (pfn == zero_page_pfn() ? bit(KPF_ZERO_PAGE) : 0);
  return frame_count(pfn) == 0 ? bit(KPF_BUDDY) : 0;
}

uint64_t flags_of_mapped(Pte entry) {
  uint64_t flags = bit(KPF_UPTODATE) | bit(KPF_LRU) | bit(KPF_MMAP) | bit(KPF_SWAPBACKED);
  if (!entry.has(Pte::kFile)) flags |= bit(KPF_ANON);
  if (entry.has(Pte::kAccessed)) flags |= bit(KPF_REFERENCED);
  if (entry.has(Pte::kDirty)) flags |= bit(KPF_DIRTY);
  return flags;
}

}  // namespace

void look_up_frame_uses(Pfn first, size_t count, FrameArray<FrameUse>& uses) {
  for (size_t i = 0; i < count; ++i) uses[i] = {0, 0, flags_of_unmapped(first + i)};
  // Of a frame that came into use meanwhile, only what it has become.
  auto use_of = [&](Pfn pfn) -> FrameUse& {
    FrameUse& use = uses[pfn - first];
    use.flags &= ~bit(KPF_BUDDY);
    return use;
  };
  AddressSpace::for_each_mapping([&](Pte entry) {
    if (entry.pfn() - first >= count) return;
    FrameUse& use = use_of(entry.pfn());
    ++use.mappings;
    use.flags |= flags_of_mapped(entry);
  });
  AddressSpace::for_each_table([&](Pfn pfn) {
    if (pfn - first < count) use_of(pfn).flags |= bit(KPF_PGTABLE);
  });
}

}  // namespace mk
