// SPDX-License-Identifier: GPL-2.0-or-later
//
// mremap: Linux mm/mremap.c. Moving takes the entries along, so pages keep their frames and their bits;
// MREMAP_DONTUNMAP leaves the emptied area behind, and an old length of 0 maps shared memory a second time.
// One call concerns one area; what it gives up (shrinking, the target of MREMAP_FIXED) may be several, and so
// may be what moves to a place in one piece (since Linux 6.17).
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

// The arguments, lengths in whole pages.
struct AddressSpace::Remap {
  uint64_t address, old_length, new_length, flags, new_address;
  UserfaultEvents& events;     // result: what monitors of userfaultfd hear of it
  uint64_t populate_from = 0;  // result: what grew here is locked, and is faulted in
  uint64_t end() const { return address + old_length; }
};

long AddressSpace::mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                          uint64_t new_address) {
  if (flags & ~static_cast<uint64_t>(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) return -EINVAL;
  if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if ((flags & MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (!page_aligned(address)) return -EINVAL;
  if (new_length == 0 || new_length > kUserEnd || old_length > kUserEnd) return -EINVAL;
  UserfaultEvents events;
  Remap remap = {address, page_align_up(old_length), page_align_up(new_length), flags, new_address, events};
  if ((flags & MREMAP_DONTUNMAP) && remap.old_length != remap.new_length) return -EINVAL;
  if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
    if (!page_aligned(new_address) || new_address > kUserEnd - remap.new_length) return -EINVAL;
    if (remap.end() > new_address && new_address + remap.new_length > address) return -EINVAL;
    if ((flags & MREMAP_FIXED) && new_address < kMmapMinAddress) return -EPERM;
  }
  long result;
  {
    MmapWriteGuard guard(mmap_lock_);
    result = mremap_locked(remap);
  }
  events.tell();
  if (remap.populate_from != 0) {
    uint64_t end = static_cast<uint64_t>(result) + remap.new_length;
    populate(remap.populate_from, end, Populate::kMap);
  }
  return result;
}

long AddressSpace::mremap_locked(Remap& remap) {
  Vma* vma = vmas_.find(remap.address);
  if (vma == nullptr || vma->start > remap.address) return -EFAULT;
  if (vma->sealed()) return -EPERM;
  if ((remap.flags & MREMAP_FIXED) && remap.old_length == remap.new_length) return move_areas(remap);
  if (remap.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) return mremap_to(remap, vma);
  auto same_place = static_cast<long>(remap.address);
  if (remap.old_length == remap.new_length) return same_place;
  if (remap.old_length > remap.new_length) {
    long error = shrink(remap);
    return error < 0 ? error : same_place;
  }
  long error = check_resize(remap, *vma);
  if (error < 0) return error;
  uint64_t locked = vma->flags & kVmLocked;
  if (remap.end() == vma->end && grow_in_place(vma, remap.address + remap.new_length)) {
    if (locked) remap.populate_from = remap.end();
    return same_place;
  }
  if (!(remap.flags & MREMAP_MAYMOVE)) return -ENOMEM;
  Result<uint64_t> found = unmapped_area(0, remap.new_length, false);
  if (!found.ok()) return found.error();
  long moved = move_vma(vma, remap, *found);
  if (locked && moved > 0) remap.populate_from = static_cast<uint64_t>(moved) + remap.old_length;
  return moved;
}

// Gives up what is behind the new length. EINVAL as munmap's: not all of it is the program's.
long AddressSpace::shrink(Remap& remap) {
  if (remap.end() > kUserEnd) return -EINVAL;
  long error = unmap_locked(remap.address + remap.new_length, remap.end(), remap.events);
  if (error == 0) remap.old_length = remap.new_length;
  return error;
}

// All areas of the range, and between them the holes that are there (Linux's remap_move()). What has moved
// when one cannot stays moved.
long AddressSpace::move_areas(const Remap& all) {
  for (uint64_t at = all.address; at < all.end();) {
    Vma* vma = vmas_.find_intersection(at, all.end());
    if (vma == nullptr) break;
    uint64_t from = max(at, vma->start);
    uint64_t length = min(vma->end, all.end()) - from;
    bool only = at == all.address && vma->end >= all.end();
    if (vma->userfaultfd && !only) return -EFAULT;
    if (vma->sealed()) return -EPERM;
    Remap part = {from, length, length, all.flags, all.new_address + (from - all.address), all.events};
    long moved = mremap_to(part, vma);
    if (moved < 0) return moved;
    at = from + length;
  }
  return static_cast<long>(all.new_address);
}

// With MREMAP_FIXED or MREMAP_DONTUNMAP; without the former the new address is only a hint.
long AddressSpace::mremap_to(Remap& remap, Vma* vma) {
  uint64_t to = remap.new_address;
  if (vmas_.size() + 2 >= kMaxMapCount - 3) return -ENOMEM;
  Remap kept = remap;
  kept.old_length = min(remap.old_length, remap.new_length);
  long error = check_resize(kept, *vma);
  if (error < 0) return error;
  if (remap.old_length > remap.new_length) {
    if (error = shrink(remap); error < 0) return error;
    vma = vmas_.find(remap.address);
  }
  if ((remap.flags & MREMAP_DONTUNMAP) && !may_expand(vma->flags, remap.old_length)) return -ENOMEM;
  if (!(remap.flags & MREMAP_FIXED)) {
    Result<uint64_t> found = unmapped_area(to, remap.new_length, false);
    if (!found.ok()) return found.error();
    to = *found;
  }
  uint64_t locked = vma->flags & kVmLocked;
  long moved = move_vma(vma, remap, to);
  if (locked && moved > 0 && remap.new_length > remap.old_length) remap.populate_from = to + remap.old_length;
  return moved;
}

// Linux's vma_to_resize().
long AddressSpace::check_resize(const Remap& remap, const Vma& vma) const {
  // An old length of 0 maps the same pages again, which makes no sense for private ones.
  if (remap.old_length == 0 && (vma.is_private() || vma.pfn_map())) return -EINVAL;
  bool fixed_size = vma.flags & (kVmDontExpand | kVmPfnMap);
  if ((remap.flags & MREMAP_DONTUNMAP) && fixed_size) return -EINVAL;
  if (remap.old_length > vma.end - remap.address) return -EFAULT;
  if (remap.new_length == remap.old_length) return 0;
  if (fixed_size) return -EFAULT;
  uint64_t first_page = vma.file_offset(remap.address) / kPageSize;
  if (first_page + remap.new_length / kPageSize < first_page) return -EINVAL;
  uint64_t bytes = remap.new_length - remap.old_length;
  if (!may_lock(vma.flags, bytes)) return -EAGAIN;
  if (!may_expand(vma.flags, bytes)) return -ENOMEM;
  return 0;
}

bool AddressSpace::grow_in_place(Vma* vma, uint64_t new_end) {
  if (new_end > kUserEnd || vmas_.find_intersection(vma->end, new_end) != nullptr) return false;
  account(*vma, -1);
  vma->end = new_end;
  vma->flags |= kVmSoftDirty;  // there is something new in it
  account(*vma, 1);
  merge_range(vma->start, new_end);
  return true;
}

long AddressSpace::move_vma(Vma* vma, const Remap& remap, uint64_t new_address) {
  if (vmas_.size() >= kMaxMapCount - 3) return -ENOMEM;
  uint64_t new_end = new_address + remap.new_length;
  // Who has not asked to hear of it loses sight of what moves (Linux's mremap_userfaultfd_prep).
  bool watched = vma->userfaultfd && vma->userfaultfd->has(UFFD_FEATURE_EVENT_REMAP);
  uint64_t new_flags = (watched ? vma->flags : vma->flags & ~kVmUffd) | kVmSoftDirty;
  Result<Vma*> moved = new_vma(new_address, new_end, new_flags, vma->file, vma->file_offset(remap.address));
  if (!moved.ok()) return moved.error();
  if (watched) (*moved)->userfaultfd = vma->userfaultfd;
  (*moved)->has_anon_pages = vma->has_anon_pages;
  // The old range becomes an area of its own first, so that nothing can fail once entries have moved.
  long error = unmap_locked(new_address, new_end, remap.events);
  if (error == 0 && remap.old_length > 0) {
    vma = vmas_.find(remap.address);  // the target may have been the start of the same area
    error = split_at(remap.address);
    if (error == 0) error = split_at(remap.end());
    bool drops_wp = (vma->flags & kVmUffdWp) && !watched;
    if (error == 0)
      error = remap.events.add_remap(vma->userfaultfd, remap.address, new_address, remap.old_length);
    if (error == 0 && !move_entries(**moved, remap.address, new_address, remap.old_length, drops_wp)) {
      remap.events.cancel_remap();
      error = -ENOMEM;
    }
  }
  if (error < 0) {
    free_vma(*moved);
    merge_range(remap.address, remap.end());
    return error;
  }
  insert(*moved);
  if (remap.flags & MREMAP_DONTUNMAP) {
    // What is left is empty, and what is locked is the other one.
    Vma* left = vmas_.find(remap.address);
    set_flags(left, left->flags & ~kVmLockedMask);
    left->has_anon_pages = false;
    merge_range(remap.address, remap.end());
  } else if (remap.old_length > 0) {
    unmap_locked(remap.address, remap.end(), remap.events);
  }
  merge_range(new_address, new_end);
  return static_cast<long>(new_address);
}

}  // namespace mk
