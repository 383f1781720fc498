// SPDX-License-Identifier: GPL-2.0-or-later
//
// mprotect: Linux mm/mprotect.c. Areas are split at the ends of the range and changed one after the other; at
// a hole the call stops with ENOMEM and what was changed stays changed.
#include <asm/mman.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "proc/task.h"

namespace mk {

long AddressSpace::mprotect(uint64_t address, uint64_t length, uint64_t prot) {
  uint64_t grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
  prot &= ~static_cast<uint64_t>(PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows == (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if (!page_aligned(address)) return -EINVAL;
  if (length == 0) return 0;
  uint64_t size = page_align_up(length);
  uint64_t end = address + size;
  if (end <= address) return -ENOMEM;
  if (prot & ~static_cast<uint64_t>(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) return -EINVAL;

  MmapWriteGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, end);
  if (vma == nullptr) return -ENOMEM;
  uint64_t start = address;
  if (grows == PROT_GROWSDOWN) {
    if (!(vma->flags & kVmGrowsDown)) return -EINVAL;
    start = vma->start;
  } else if (grows == PROT_GROWSUP) {
    return vma->start > start ? -ENOMEM : -EINVAL;  // no area grows up on x86
  }

  uint64_t new_access = (prot & PROT_READ ? kVmRead : 0) | (prot & PROT_WRITE ? kVmWrite : 0) |
                        (prot & PROT_EXEC ? kVmExec : 0);
  long error = 0;
  uint64_t at = start;
  while (at < end) {
    vma = vmas_.find(at);
    if (vma == nullptr || vma->start > at) {
      error = -ENOMEM;
      break;
    }
    uint64_t part_end = vma->end < end ? vma->end : end;
    error = protect_locked(vma, at, part_end, new_access);
    if (error < 0) break;
    at = part_end;
  }
  merge_range(start, at);
  return error;
}

// Changes [start, end), which lies inside `vma`.
long AddressSpace::protect_locked(Vma* vma, uint64_t start, uint64_t end, uint64_t new_access) {
  static_assert(kVmMayRead == kVmRead << 4 && kVmMayWrite == kVmWrite << 4 && kVmMayExec == kVmExec << 4);
  if (new_access & ~(vma->flags >> 4)) return -EACCES;
  if (vma->sealed()) return -EPERM;
  uint64_t flags = (vma->flags & ~kVmAccess) | new_access;
  if (flags == vma->flags) return 0;
  bool becomes_data = is_data_mapping(flags) && !is_data_mapping(vma->flags);
  if (becomes_data && !may_expand_data(end - start)) return -ENOMEM;
  if (flags & kVmWrite) {
    if (!(vma->flags & (kVmWrite | kVmShared | kVmNoReserve))) flags |= kVmAccount;
  } else if (vma->anonymous() && !vma->has_anon_pages) {
    flags &= ~kVmAccount;
  }
  bool copies_ahead = (vma->flags & (kVmWrite | kVmShared | kVmLocked)) == kVmLocked && (flags & kVmWrite);
  Result<Vma*> own = isolate(*vma, start, end, flags);
  if (!own.ok()) return own.error();
  change_protection(**own, start, end);
  // Locked memory never faults later on, copy-on-write included. What cannot be had does not matter.
  if (copies_ahead) populate_area(**own, start, end, Populate::kLock, nullptr);
  return 0;
}

}  // namespace mk
