// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pages that a file loses leave the page tables: Linux's unmap_mapping_range (mm/memory.c). Which address
// spaces map a file is not recorded; all are looked at, oldest first, so that the copy that a fork makes
// meanwhile is seen as well.
//
// Truncation takes private copies, too; a hole takes only the file's own pages. Both call when the new size
// is in place and the pages have left the cache: a fault that was under way has its entry in the page table
// by the time its address space is looked at, and a later one finds the file as it is now.
#include "mm/address_space.h"
#include "mm/user_memory.h"

namespace mk {

void unmap_mapping_range(Inode& inode, uint64_t first, uint64_t count, bool even_cows) {
  Ref<AddressSpace> mm = AddressSpace::next_in_list(nullptr);
  while (mm) {
    mm->unmap_file_pages(inode, first, count, even_cows);
    mm = AddressSpace::next_in_list(mm.raw());
  }
}

void AddressSpace::unmap_file_pages(const Inode& inode, uint64_t first, uint64_t count, bool even_cows) {
  uint64_t last = count > UINT64_MAX - first ? UINT64_MAX : first + count;
  MmapWriteGuard guard(mmap_lock_);
  for (Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) {
    if (!vma->file || &vma->file->inode() != &inode) continue;
    uint64_t page = vma->offset / kPageSize;
    uint64_t low = max(first, page);
    uint64_t high = min(last, page + vma->size() / kPageSize);
    if (low >= high) continue;
    uint64_t start = vma->start + (low - page) * kPageSize;
    zap_range(start, start + (high - low) * kPageSize, {.only_file_pages = !even_cows, .area = vma});
  }
}

}  // namespace mk
