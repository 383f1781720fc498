// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/mappings.h"

#include <linux/kernel-page-flags.h>

#include "lib/assert.h"
#include "lib/kmalloc.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/frame_table.h"
#include "mm/user_memory.h"
#include "mm/zero_page.h"

namespace mk {

MappingCounter::MappingCounter() : slots_(static_cast<Slot*>(kmalloc(kSlots * sizeof(Slot)))) {
  if (ok()) clear();
}

MappingCounter::~MappingCounter() { kfree(slots_); }

void MappingCounter::clear() {
  memset(slots_, 0, kSlots * sizeof(Slot));
  certain_ = true;
}

// The frame's slot, or the empty one that it would get.
MappingCounter::Slot& MappingCounter::find(Pfn pfn) const {
  size_t at = pfn * 0x9e37 % kSlots;
  while (slots_[at].pfn != 0 && slots_[at].pfn != pfn) at = (at + 1) % kSlots;
  return slots_[at];
}

void MappingCounter::add(Pte entry) {
  find(entry.pfn()) = {static_cast<uint32_t>(entry.pfn()), 1};
  if (frame_count(entry.pfn()) > (entry.has(Pte::kFile) ? 2 : 1)) certain_ = false;
}

void MappingCounter::count() {
  if (certain_) return;
  for (size_t i = 0; i < kSlots; ++i) slots_[i].mappings = 0;
  AddressSpace::for_each_mapping([&](Pte entry) {
    Slot& slot = find(entry.pfn());
    if (slot.pfn != 0) ++slot.mappings;
  });
}

unsigned MappingCounter::mappings(Pfn pfn) const {
  const Slot& slot = find(pfn);
  return slot.pfn == 0 ? 0 : max(1u, slot.mappings);  // it may have been unmapped since
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

void look_up_frame_uses(Pfn first, size_t count, FrameUse* uses) {
  for (size_t i = 0; i < count; ++i) uses[i] = {0, 0, flags_of_unmapped(first + i)};
  AddressSpace::for_each_mapping([&](Pte entry) {
    if (entry.pfn() - first >= count) return;
    FrameUse& use = uses[entry.pfn() - first];
    ++use.mappings;
    use.flags |= flags_of_mapped(entry);
  });
  AddressSpace::for_each_table([&](Pfn pfn) {
    if (pfn - first < count) uses[pfn - first].flags |= bit(KPF_PGTABLE);
  });
}

}  // namespace mk
