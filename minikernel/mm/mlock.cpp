// SPDX-License-Identifier: GPL-2.0-or-later
//
// mlock, mlock2, munlock, mlockall, munlockall: Linux mm/mlock.c. Nothing is ever swapped out here, so a lock
// means that the pages are there from now on, that MADV_DONTNEED leaves them alone, and that /proc says so.
// RLIMIT_MEMLOCK binds whoever is not root (CAP_IPC_LOCK).
#include <asm/mman.h>
#include <asm/resource.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

bool is_bound() { return current().process->uids.effective != 0; }
uint64_t most_pages() { return current().limit(RLIMIT_MEMLOCK) / kPageSize; }

}  // namespace

// Linux's can_do_mlock().
bool AddressSpace::may_lock_at_all() { return !is_bound() || current().limit(RLIMIT_MEMLOCK) != 0; }

// Linux's mlock_future_ok(): room for that much more in an area with these flags.
bool AddressSpace::may_lock(uint64_t vm_flags, uint64_t bytes) const {
  return !(vm_flags & kVmLocked) || !is_bound() || locked_pages_ + bytes / kPageSize <= most_pages();
}

// `address` need not be aligned; the whole pages that the range touches are meant.
long AddressSpace::mlock(uint64_t address, uint64_t length, uint64_t lock) {
  if (lock != 0 && !may_lock_at_all()) return -EPERM;
  uint64_t start = page_align_down(address);
  uint64_t size = page_align_up(length + (address - start));
  uint64_t end = start + size;
  if (end < start) return -EINVAL;
  if (end == start) return 0;
  long error = 0;
  {
    MmapWriteGuard guard(mmap_lock_);
    if (lock != 0 && !may_lock(kVmLocked, size - locked_bytes(start, end))) return -ENOMEM;
    uint64_t at = start;
    while (at < end && error == 0) {
      Vma* vma = vmas_.find(at);
      if (vma == nullptr || vma->start > at) {
        error = -ENOMEM;
        break;
      }
      uint64_t stop = min(vma->end, end);
      error = lock_area(*vma, at, stop, lock);
      if (error == 0) at = stop;
    }
    merge_range(start, at);
  }
  if (error < 0 || lock == 0) return error;
  error = populate(start, end, Populate::kLock);
  // What POSIX wants to hear (Linux's __mlock_posix_error_return).
  if (error == -EFAULT) return -ENOMEM;
  return error == -ENOMEM ? -EAGAIN : error;
}

// Of [start, end), what is locked already.
uint64_t AddressSpace::locked_bytes(uint64_t start, uint64_t end) const {
  uint64_t bytes = 0;
  for (Vma* vma = vmas_.find(start); vma != nullptr && vma->start < end; vma = vma->next)
    if (vma->flags & kVmLocked) bytes += min(vma->end, end) - max(vma->start, start);
  return bytes;
}

long AddressSpace::lock_area(Vma& vma, uint64_t start, uint64_t end, uint64_t lock) {
  if (vma.pfn_map()) return 0;  // is there for good
  uint64_t flags = (vma.flags & ~kVmLockedMask) | lock;
  if (flags == vma.flags) return 0;
  Result<Vma*> own = isolate(vma, start, end, flags);
  return own.ok() ? 0 : own.error();
}

long AddressSpace::mlockall(uint64_t mcl_flags) {
  constexpr uint64_t kAll = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  if (mcl_flags == 0 || (mcl_flags & ~kAll) || mcl_flags == MCL_ONFAULT) return -EINVAL;
  if (!may_lock_at_all()) return -EPERM;
  uint64_t lock = kVmLocked | (mcl_flags & MCL_ONFAULT ? kVmLockOnFault : 0);
  {
    MmapWriteGuard guard(mmap_lock_);
    if ((mcl_flags & MCL_CURRENT) && is_bound() && total_pages_ > most_pages()) return -ENOMEM;
    default_flags_ = mcl_flags & MCL_FUTURE ? lock : 0;
    if (!(mcl_flags & MCL_CURRENT)) return 0;
    lock_all(lock);
  }
  populate(0, kUserEnd, Populate::kMap);
  return 0;
}

long AddressSpace::munlockall() {
  MmapWriteGuard guard(mmap_lock_);
  default_flags_ = 0;
  lock_all(0);
  return 0;
}

void AddressSpace::lock_all(uint64_t lock) {
  for (Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next)
    if (!vma->pfn_map()) set_flags(vma, (vma->flags & ~kVmLockedMask) | lock);
  merge_range(0, kUserEnd);
}

}  // namespace mk
