// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/address_space.h"

#include "arch/x86_64/memory_layout.h"
#include "lib/assert.h"
#include "mm/cow/cow_policy.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

// All address spaces, oldest first: a copy comes after what it is a copy of.
Spinlock list_lock;
AddressSpace* first_in_list;
AddressSpace* last_in_list;
uint64_t last_serial_number;

}  // namespace

AddressSpace::AddressSpace(PageTable page_table) : page_table_(static_cast<PageTable&&>(page_table)) {
  SpinlockGuard guard(list_lock);
  serial_number = ++last_serial_number;
  previous_in_list_ = last_in_list;
  (last_in_list != nullptr ? last_in_list->next_in_list_ : first_in_list) = this;
  last_in_list = this;
}

Ref<AddressSpace> AddressSpace::create() {
  PageTable table = PageTable::create();
  if (!table.valid()) return nullptr;
  Ref<AddressSpace> mm = make<AddressSpace>(static_cast<PageTable&&>(table));
  if (!mm) table.destroy();
  return mm;
}

AddressSpace::~AddressSpace() {
  Userfaultfd::forget(*this);
  {
    SpinlockGuard guard(list_lock);
    (previous_in_list_ != nullptr ? previous_in_list_->next_in_list_ : first_in_list) = next_in_list_;
    (next_in_list_ != nullptr ? next_in_list_->previous_in_list_ : last_in_list) = previous_in_list_;
  }
  while (Vma* vma = vmas_.first()) {
    zap_range(vma->start, vma->end, {.markers = true});
    remove(vma);
  }
  KASSERT(total_pages_ == 0 && data_pages_ == 0 && locked_pages_ == 0);
  KASSERT(rss_pages_ == 0);
  if (executable) executable->inode().allow_write_access();
  cow().ended(*this);
  page_table_.destroy();
}

Ref<AddressSpace> AddressSpace::next_in_list(const AddressSpace* after) {
  SpinlockGuard guard(list_lock);
  AddressSpace* mm = after != nullptr ? after->next_in_list_ : first_in_list;
  while (mm != nullptr && !mm->try_get()) mm = mm->next_in_list_;
  return Ref<AddressSpace>::adopt(mm);
}

// With the list's lock held all the time, nothing in the list can end: that begins with leaving it.
void AddressSpace::visit_page_tables(void (*visit)(const PageTable&, void*), void* argument) {
  SpinlockGuard guard(list_lock);
  for (AddressSpace* mm = first_in_list; mm != nullptr; mm = mm->next_in_list_)
    visit(mm->page_table_, argument);
}

namespace {

// The lowest address that another mapping may reach below `vma`: stacks keep a gap (Linux's vm_start_gap).
uint64_t start_with_gap(const Vma& vma) {
  if ((vma.flags & kVmGrowsDown) == 0) return vma.start;
  return vma.start < kStackGuardGap ? 0 : vma.start - kStackGuardGap;
}

}  // namespace

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

// The lowest gap of that size in [bottom, top); 0 when there is none.
uint64_t AddressSpace::search_bottom_up(uint64_t length, uint64_t bottom, uint64_t top) const {
  for (Vma* vma = vmas_.find(bottom);; vma = vma->next) {
    uint64_t gap_end = vma != nullptr ? min(start_with_gap(*vma), top) : top;
    if (gap_end >= bottom && gap_end - bottom >= length) return bottom;
    if (vma == nullptr || vma->end >= top) return 0;
    bottom = max(bottom, vma->end);
  }
}

// Linux's get_unmapped_area: where a mapping goes that did not ask for a fixed place.
Result<uint64_t> AddressSpace::unmapped_area(uint64_t hint, uint64_t length, bool low_2_gib) const {
  uint64_t top = low_2_gib ? kLowMapEnd : kUserEnd;
  if (length > top - kMmapMinAddress) return Errno{ENOMEM};
  if (hint >= kPageSize) {
    uint64_t address = max(page_align_down(hint), kMmapMinAddress);
    Vma* next = vmas_.find(address);
    if (address <= top - length && (next == nullptr || address + length <= start_with_gap(*next)))
      return address;
  }
  // As a last resort whatever is free from a third of user space upwards, what the stack would have had
  // included.
  uint64_t address =
      low_2_gib ? search_bottom_up(length, kLowMapStart, kLowMapEnd) : search_top_down(length, kMmapBase);
  if (address == 0 && !low_2_gib) address = search_bottom_up(length, kUnmappedBase, kUserEnd);
  if (address == 0) return Errno{ENOMEM};
  return address;
}

long AddressSpace::futex_key(uint64_t address, bool is_private, FutexKey& key) {
  key = {this, address, {}};
  if (is_private) return 0;
  MmapReadGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr) return -EFAULT;
  // Linux gets the page, to write if that is allowed and else to read, and a private one must be writable.
  bool writable = vma->flags & kVmWrite;
  if (!writable && !(vma->flags & kVmRead)) return -EFAULT;
  if (!writable && vma->is_private() && !vma->file) return -EFAULT;
  if (!vma->is_private()) key = {&vma->file->inode(), vma->file_offset(address), vma->file};
  return 0;
}

}  // namespace mk
