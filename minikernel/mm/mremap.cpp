// SPDX-License-Identifier: GPL-2.0-or-later
//
// mremap: Linux mm/mremap.c with MREMAP_MAYMOVE and MREMAP_FIXED. Moving takes the entries along, so pages
// keep their frames and their bits. MREMAP_DONTUNMAP is not there: EINVAL, as on a Linux before 5.7.
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

long AddressSpace::mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                          uint64_t new_address) {
  if (flags & ~static_cast<uint64_t>(MREMAP_FIXED | MREMAP_MAYMOVE)) return -EINVAL;
  if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (!page_aligned(address)) return -EINVAL;
  if (new_length == 0 || new_length > kUserEnd || old_length > kUserEnd) return -EINVAL;
  MmapWriteGuard guard(mmap_lock_);
  return mremap_locked(address, page_align_up(old_length), page_align_up(new_length), flags, new_address);
}

long AddressSpace::mremap_locked(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                                 uint64_t new_address) {
  if (flags & MREMAP_FIXED) {
    if (!page_aligned(new_address)) return -EINVAL;
    if (new_length > kUserEnd || new_address > kUserEnd - new_length) return -EINVAL;
    if (new_address < kMmapMinAddress) return -EPERM;
    if (address + old_length > new_address && new_address + new_length > address) return -EINVAL;
  }
  Vma* vma = vmas_.find(address);
  if (vma == nullptr || vma->start > address) return -EFAULT;
  if (!(flags & MREMAP_FIXED) && old_length >= new_length) {
    if (old_length > new_length) {
      long error = unmap_locked(address + new_length, address + old_length);
      if (error < 0) return error;
    }
    return static_cast<long>(address);
  }
  // An old length of 0 means "map the same shared pages again"; that makes no sense for private ones.
  if (old_length == 0) return -EINVAL;
  if (old_length > vma->end - address) return -EFAULT;
  if (flags & MREMAP_FIXED) {
    if (old_length > new_length) {
      long error = unmap_locked(address + new_length, address + old_length);
      if (error < 0) return error;
      old_length = new_length;
      vma = vmas_.find(address);
    }
    return move_vma(vma, address, old_length, new_length, new_address);
  }

  if (!may_expand(vma->flags, new_length - old_length)) return -ENOMEM;
  if (old_length == vma->end - address && grow_in_place(vma, address + new_length))
    return static_cast<long>(address);
  if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
  Result<uint64_t> found = unmapped_area(0, new_length);
  if (!found.ok()) return found.error();
  return move_vma(vma, address, old_length, new_length, *found);
}

bool AddressSpace::grow_in_place(Vma* vma, uint64_t new_end) {
  if (new_end > kUserEnd || vmas_.find_intersection(vma->end, new_end) != nullptr) return false;
  account(*vma, -1);
  vma->end = new_end;
  account(*vma, 1);
  merge_range(vma->start, new_end);
  return true;
}

long AddressSpace::move_vma(Vma* vma, uint64_t address, uint64_t old_length, uint64_t new_length,
                            uint64_t new_address) {
  if (vmas_.size() >= kMaxMapCount - 3) return -ENOMEM;
  if (new_length > old_length && !may_expand(vma->flags, new_length - old_length)) return -ENOMEM;
  Vma* moved =
      new_vma(new_address, new_address + new_length, vma->flags, vma->file, vma->file_offset(address));
  if (moved == nullptr) return -ENOMEM;
  moved->has_anon_pages = vma->has_anon_pages;
  // The old range becomes an area of its own first, so that nothing can fail once entries have moved.
  long error = unmap_locked(new_address, new_address + new_length);
  if (error == 0) error = split_at(address);
  if (error == 0) error = split_at(address + old_length);
  if (error == 0 && !move_entries(address, new_address, old_length)) error = -ENOMEM;
  if (error < 0) {
    destroy(moved);
    merge_range(address, address + old_length);
    return error;
  }
  insert(moved);
  unmap_locked(address, address + old_length);
  merge_range(new_address, new_address + new_length);
  return static_cast<long>(new_address);
}

}  // namespace mk
