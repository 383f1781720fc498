// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/address_space.h"

#include <asm/resource.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/assert.h"
#include "mm/cow/cow_policy.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

Ref<AddressSpace> AddressSpace::create() {
  PageTable table = PageTable::create();
  if (!table.valid()) return nullptr;
  Ref<AddressSpace> mm = make<AddressSpace>(static_cast<PageTable&&>(table));
  if (!mm) table.destroy();
  return mm;
}

AddressSpace::~AddressSpace() {
  while (Vma* vma = vmas_.first()) {
    zap_range(vma->start, vma->end);
    remove(vma);
  }
  KASSERT(total_pages_ == 0 && data_pages_ == 0);
  KASSERT(rss_pages_ == 0);
  cow().ended(*this);
  page_table_.destroy();
}

Vma* AddressSpace::new_vma(uint64_t start, uint64_t end, uint64_t flags, const Ref<File>& file,
                           uint64_t offset) {
  Vma* vma = mk::create<Vma>();
  if (vma == nullptr) return nullptr;
  vma->start = start;
  vma->end = end;
  vma->flags = flags;
  vma->file = file;
  vma->offset = file ? offset : 0;
  return vma;
}

void AddressSpace::insert(Vma* vma) {
  vmas_.insert(vma);
  account(*vma, 1);
}

void AddressSpace::remove(Vma* vma) {
  account(*vma, -1);
  vmas_.erase(vma);
  destroy(vma);
}

namespace {

bool can_merge(const Vma& low, const Vma& high) {
  return low.end == high.start && low.flags == high.flags && low.file == high.file &&
         (low.anonymous() || low.file_offset(low.end) == high.offset);
}

// The lowest address that another mapping may reach below `vma`: stacks keep a gap (Linux's vm_start_gap).
uint64_t start_with_gap(const Vma& vma) {
  if ((vma.flags & kVmGrowsDown) == 0) return vma.start;
  return vma.start < kStackGuardGap ? 0 : vma.start - kStackGuardGap;
}

}  // namespace

void AddressSpace::account(const Vma& vma, int sign) {
  uint64_t pages = vma.size() / kPageSize;
  total_pages_ += sign > 0 ? pages : -pages;
  if (is_data_mapping(vma.flags)) data_pages_ += sign > 0 ? pages : -pages;
}

bool AddressSpace::may_expand(uint64_t flags, uint64_t bytes) const {
  if (total_pages_ + bytes / kPageSize > current().limit(RLIMIT_AS) / kPageSize) return false;
  return !is_data_mapping(flags) || may_expand_data(bytes);
}

bool AddressSpace::may_expand_data(uint64_t bytes) const {
  return data_pages_ + bytes / kPageSize <= current().limit(RLIMIT_DATA) / kPageSize;
}

void AddressSpace::set_flags(Vma* vma, uint64_t flags) {
  account(*vma, -1);
  vma->flags = flags;
  account(*vma, 1);
}

// Makes `address` a boundary between areas, if it lies inside one.
long AddressSpace::split_at(uint64_t address) {
  Vma* vma = vmas_.find(address);
  if (vma == nullptr || vma->start >= address) return 0;
  Vma* high = new_vma(address, vma->end, vma->flags, vma->file, vma->offset + (address - vma->start));
  if (high == nullptr) return -ENOMEM;
  vma->end = address;
  high->has_anon_pages = vma->has_anon_pages;
  vmas_.insert(high);  // as many pages as before: nothing to account
  return 0;
}

// Joins areas that differ in nothing, from the one before `start` to the one after `end`.
void AddressSpace::merge_range(uint64_t start, uint64_t end) {
  Vma* vma = vmas_.find(start == 0 ? 0 : start - 1);
  while (vma != nullptr && vma->next != nullptr && vma->next->start <= end) {
    Vma* high = vma->next;
    if (!can_merge(*vma, *high)) {
      vma = high;
      continue;
    }
    uint64_t merged_end = high->end;
    vma->has_anon_pages |= high->has_anon_pages;
    vmas_.erase(high);
    destroy(high);
    vma->end = merged_end;
  }
}

// The highest gap of that size with its end at most `top`; 0 when there is none.
uint64_t AddressSpace::search_top_down(uint64_t length, uint64_t top) const {
  Vma* above = vmas_.find(top);
  if (above != nullptr) top = min(top, start_with_gap(*above));
  Vma* vma = above != nullptr ? above->previous : vmas_.last();
  while (true) {
    uint64_t low = vma != nullptr ? max(vma->end, kMmapMinAddress) : kMmapMinAddress;
    if (top >= low && top - low >= length) return top - length;
    if (vma == nullptr) return 0;
    top = min(top, start_with_gap(*vma));
    vma = vma->previous;
  }
}

// Linux's get_unmapped_area: where a mapping goes that did not ask for a fixed place.
Result<uint64_t> AddressSpace::unmapped_area(uint64_t hint, uint64_t length) const {
  if (length > kUserEnd - kMmapMinAddress) return Errno{ENOMEM};
  if (hint >= kPageSize) {
    uint64_t address = max(page_align_down(hint), kMmapMinAddress);
    Vma* next = vmas_.find(address);
    if (address <= kUserEnd - length && (next == nullptr || address + length <= start_with_gap(*next)))
      return address;
  }
  uint64_t address = search_top_down(length, kMmapBase);
  // As a last resort the space above the base, which the stack would have had (Linux searches bottom-up
  // here).
  if (address == 0) address = search_top_down(length, kUserEnd);
  if (address == 0) return Errno{ENOMEM};
  return address;
}

long AddressSpace::futex_key(uint64_t address, bool is_private, FutexKey& key) {
  key = {this, address, {}};
  if (is_private) return 0;
  MmapReadGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr) return -EFAULT;
  if (!vma->is_private()) key = {&vma->file->inode(), vma->file_offset(address), vma->file};
  return 0;
}

}  // namespace mk
