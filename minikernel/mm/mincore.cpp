// SPDX-License-Identifier: GPL-2.0-or-later
//
// mincore, msync, mseal: Linux mm/mincore.c, mm/msync.c, mm/mseal.c. Files are in memory only, so there is
// nothing to write back. A sealed area keeps its place, its rights and its size until the address space ends:
// munmap, mprotect, mremap and mappings over it are EPERM, and so is advice that would drop what the program
// cannot write.
#include <asm/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"

namespace mk {

long AddressSpace::mincore(uint64_t address) {
  MmapReadGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr) return -ENOMEM;
  Pte* entry = page_table_.find(address);
  if (entry != nullptr && read_pte(entry).maps_page()) return 1;
  return vma->file && vma->file->inode().page_cached(vma->file_offset(address) / kPageSize) ? 1 : 0;
}

long AddressSpace::msync(uint64_t address, uint64_t length, int flags) {
  if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) return -EINVAL;
  if (!page_aligned(address)) return -EINVAL;
  if ((flags & MS_ASYNC) && (flags & MS_SYNC)) return -EINVAL;
  uint64_t end = address + page_align_up(length);
  if (end < address) return -ENOMEM;
  MmapReadGuard guard(mmap_lock_);
  long hole = 0;
  for (uint64_t at = address; at < end;) {
    Vma* vma = vmas_.find_intersection(at, end);
    if (vma == nullptr) return -ENOMEM;
    if (vma->start > at) hole = -ENOMEM;
    if (hole < 0 && flags == MS_ASYNC) return hole;
    if ((flags & MS_INVALIDATE) && (vma->flags & kVmLocked)) return -EBUSY;
    at = vma->end;
  }
  return hole;
}

long AddressSpace::mseal(uint64_t address, uint64_t length) {
  if (!page_aligned(address)) return -EINVAL;
  uint64_t size = page_align_up(length);
  if (length != 0 && size == 0) return -EINVAL;
  uint64_t end = address + size;
  if (end < address) return -EINVAL;
  MmapWriteGuard guard(mmap_lock_);
  if (mapped_bytes(address, end) != size) return -ENOMEM;  // all or nothing
  long error = 0;
  uint64_t at = address;
  while (at < end && error == 0) {
    Vma* vma = vmas_.find(at);
    uint64_t stop = min(vma->end, end);
    Result<Vma*> own = isolate(*vma, at, stop, vma->flags | kVmSealed);
    error = own.ok() ? 0 : own.error();
    if (error == 0) at = stop;
  }
  merge_range(address, at);
  return error;
}

}  // namespace mk
