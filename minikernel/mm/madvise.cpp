// SPDX-License-Identifier: GPL-2.0-or-later
//
// madvise and mincore: Linux mm/madvise.c, mm/mincore.c. MADV_DONTNEED drops pages; NORMAL, RANDOM,
// SEQUENTIAL and WILLNEED are hints about read-ahead that a kernel without read-ahead has already followed;
// every other advice is EINVAL, as where Linux is built without it.
#include <asm/mman.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"

namespace mk {

long AddressSpace::madvise(uint64_t address, uint64_t length, int advice) {
  bool hint =
      advice == MADV_NORMAL || advice == MADV_RANDOM || advice == MADV_SEQUENTIAL || advice == MADV_WILLNEED;
  if (!hint && advice != MADV_DONTNEED) return -EINVAL;
  if (!page_aligned(address)) return -EINVAL;
  uint64_t size = page_align_up(length);
  if (length != 0 && size == 0) return -EINVAL;
  uint64_t end = address + size;
  if (end < address) return -EINVAL;
  if (end == address) return 0;

  // Only entries change, but they disappear: no fault may run beside it that relies on the areas' pages.
  // Linux holds mmap_lock for reading and relies on the page-table lock; ours is held for writing until issue
  // 4's page locks.
  MmapWriteGuard guard(mmap_lock_);
  uint64_t covered = address;
  long error = 0;
  for (Vma* vma = vmas_.find(address); covered < end; vma = vma->next) {
    if (vma == nullptr) return -ENOMEM;
    if (vma->start >= end) return -ENOMEM;
    if (vma->start > covered) error = -ENOMEM;  // a hole: go on, and say so at the end
    covered = min(vma->end, end);
    if (advice == MADV_DONTNEED) zap_range(max(vma->start, address), covered);
  }
  return error;
}

long AddressSpace::mincore(uint64_t address) {
  MmapReadGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr) return -ENOMEM;
  Pte* entry = page_table_.find(address);
  if (entry != nullptr && entry->maps_page()) return 1;
  return vma->file && vma->file->inode().page_cached(vma->file_offset(address) / kPageSize) ? 1 : 0;
}

}  // namespace mk
