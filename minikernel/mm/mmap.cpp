// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmap, munmap, brk: Linux mm/mmap.c. The order of the checks is Linux's, because it decides which errno a
// call gets that is wrong in two ways.
#include <asm/mman.h>
#include <asm/resource.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "fs/shmem.h"
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kMayAll = kVmMayRead | kVmMayWrite | kVmMayExec;

// What MAP_SHARED_VALIDATE accepts (Linux's LEGACY_MAP_MASK).
constexpr uint64_t kKnownFlags = MAP_SHARED_VALIDATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |
                                 MAP_EXECUTABLE | MAP_UNINITIALIZED | MAP_GROWSDOWN | MAP_LOCKED |
                                 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |
                                 MAP_32BIT | MAP_FIXED_NOREPLACE;

uint64_t prot_flags(uint64_t prot) {
  return (prot & PROT_READ ? kVmRead : 0) | (prot & PROT_WRITE ? kVmWrite : 0) |
         (prot & PROT_EXEC ? kVmExec : 0);
}

// What Linux's calc_vm_flag_bits takes over from the call.
uint64_t map_flags(uint64_t flags) {
  return (flags & MAP_GROWSDOWN ? kVmGrowsDown : 0) | (flags & MAP_LOCKED ? kVmLocked : 0) |
         (flags & MAP_NORESERVE ? kVmNoReserve : 0) | (flags & MAP_STACK ? kVmNoHugePage : 0);
}

// Linux's file_mmap_ok(): a regular file ends at MAX_LFS_FILESIZE.
bool offset_fits(const File& file, uint64_t size, uint64_t offset) {
  constexpr uint64_t kMostBytes = INT64_MAX;
  return !file.inode().is_regular() ||
         (size <= kMostBytes && offset / kPageSize <= (kMostBytes - size) / kPageSize);
}

// What kind of area a file gives, or the errno of Linux's do_mmap for it. A shared mapping of a file that is
// not open for writing can only be read.
Result<uint64_t> file_flags(const File& file, uint64_t prot, bool shared) {
  if (shared && (prot & PROT_WRITE) && !file.writable()) return Errno{EACCES};
  if (!file.readable()) return Errno{EACCES};
  if ((prot & PROT_EXEC) && file.inode().maps_kernel_memory()) return Errno{EPERM};
  if (!file.inode().mappable() && !file.inode().maps_as_anonymous()) return Errno{ENODEV};
  if (!shared) return kMayAll;
  if (!file.writable()) return kVmMayRead | kVmMayExec | kVmMayShare;
  Result<bool> may_write = file.inode().map_shared((prot & PROT_WRITE) != 0);
  if (!may_write.ok()) return may_write.failure();
  return kVmShared | kVmMayShare | (*may_write ? kMayAll : kVmMayRead | kVmMayExec);
}

}  // namespace

long AddressSpace::mmap(uint64_t address, uint64_t length, uint64_t prot, uint64_t flags, Ref<File> file,
                        uint64_t offset) {
  if (length == 0) return -EINVAL;
  uint64_t size = page_align_up(length);
  if (size == 0) return -ENOMEM;
  if (offset / kPageSize + size / kPageSize > UINT64_MAX / kPageSize) return -EOVERFLOW;

  UserfaultEvents events;
  bool fills = false;
  uint64_t start = 0;
  {
    MmapWriteGuard guard(mmap_lock_);
    if (vmas_.size() > kMaxMapCount) return -ENOMEM;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
      if (size > kUserEnd || address > kUserEnd - size) return -ENOMEM;
      if (!page_aligned(address)) return -EINVAL;
      if (address < kMmapMinAddress) return -EPERM;
      start = address;
    } else {
      Result<uint64_t> found = unmapped_area(address, size, (flags & MAP_32BIT) != 0);
      if (!found.ok()) return found.error();
      start = *found;
    }
    if ((flags & MAP_FIXED_NOREPLACE) && vmas_.find_intersection(start, start + size) != nullptr)
      return -EEXIST;
    if ((flags & MAP_LOCKED) && !may_lock_at_all()) return -EPERM;
    if (!may_lock(default_flags_ | map_flags(flags), size)) return -EAGAIN;
    long error = map_new(file, start, size, prot, flags, offset, events);
    if (error < 0) return error;
    bool populates = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
    fills = populates || ((default_flags_ | map_flags(flags)) & kVmLocked);
  }
  events.tell();
  if (fills) populate(start, start + size, Populate::kMap);
  return static_cast<long>(start);
}

// The area that the arguments of mmap ask for, at a place that has been found.
long AddressSpace::map_new(Ref<File>& file, uint64_t start, uint64_t size, uint64_t prot, uint64_t flags,
                           uint64_t offset, UserfaultEvents& events) {
  uint64_t type = flags & MAP_TYPE;
  bool shared = type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
  uint64_t vm_flags = kMayAll;
  if (type != MAP_PRIVATE && !shared) return -EINVAL;
  if (type == MAP_SHARED_VALIDATE && !file) return -EINVAL;  // Linux knows it for files only
  if (type == MAP_SHARED_VALIDATE && (flags & ~kKnownFlags)) return -EOPNOTSUPP;
  if (file) {
    if (!offset_fits(*file, size, offset)) return -EOVERFLOW;
    Result<uint64_t> allowed = file_flags(*file, prot, shared);
    if (!allowed.ok()) return allowed.error();
    if (long error = file->inode().check_mapping(offset); error < 0) return error;
    if (flags & MAP_GROWSDOWN) return -EINVAL;
    vm_flags = *allowed;
    if (uint64_t pages = file->inode().device_pages()) {
      if (offset / kPageSize + size / kPageSize > pages) return -EINVAL;
      vm_flags |= kVmPfnMap;
    }
    if (file->inode().maps_kernel_memory()) vm_flags = (vm_flags & ~kVmMayExec) | kVmDontExpand;
    if (file->inode().maps_as_anonymous()) file.reset();
  } else if (shared) {
    if (flags & MAP_GROWSDOWN) return -EINVAL;
    vm_flags |= kVmShared | kVmMayShare;
  }
  if (!file && shared) {
    file = shmem_zero_setup(size);
    offset = 0;
    if (!file) return -ENOMEM;
  }
  vm_flags |= default_flags_ | map_flags(flags) | prot_flags(prot);
  return map_locked(start, size, vm_flags, file, offset, events);
}

// Puts an area where others may be; those give way.
long AddressSpace::map_locked(uint64_t start, uint64_t size, uint64_t vm_flags, const Ref<File>& file,
                              uint64_t offset, UserfaultEvents& events) {
  // What the new area replaces is given back (Linux's count_vma_pages_range).
  if (!may_expand(vm_flags, size - min(size, mapped_bytes(start, start + size)))) return -ENOMEM;
  // Linux's accountable_mapping(): what would count against an overcommit limit.
  if ((vm_flags & (kVmNoReserve | kVmShared | kVmWrite)) == kVmWrite) vm_flags |= kVmAccount;
  Result<Vma*> vma = new_vma(start, start + size, vm_flags | kVmSoftDirty, file, offset);
  if (!vma.ok()) return vma.error();
  long error = unmap_locked(start, start + size, events);
  if (error < 0) {
    free_vma(*vma);
    return error;
  }
  insert(*vma);
  merge_range(start, start + size);
  return 0;
}

long AddressSpace::map_area(uint64_t start, uint64_t end, uint64_t vm_flags, Ref<File> file,
                            uint64_t offset) {
  KASSERT(page_aligned(start) && page_aligned(end) && start < end && end <= kUserEnd);
  UserfaultEvents events;  // none: the address space is new
  MmapWriteGuard guard(mmap_lock_);
  return map_locked(start, end - start, vm_flags | kMayAll, file, offset, events);
}

long AddressSpace::munmap(uint64_t address, uint64_t length) {
  if (!page_aligned(address) || address > kUserEnd || length > kUserEnd - address) return -EINVAL;
  uint64_t size = page_align_up(length);
  if (size == 0) return -EINVAL;
  UserfaultEvents events;
  long error;
  {
    MmapWriteGuard guard(mmap_lock_);
    error = unmap_locked(address, address + size, events);
  }
  events.tell();
  return error;
}

long AddressSpace::unmap_locked(uint64_t start, uint64_t end, UserfaultEvents& events) {
  Vma* vma = vmas_.find_intersection(start, end);
  if (vma == nullptr) return 0;
  if (any_sealed(start, end)) return -EPERM;
  // Only cutting a hole into one area makes the map longer.
  if (vma->start < start && vma->end > end && vmas_.size() >= kMaxMapCount) return -ENOMEM;
  long error = split_at(start);
  if (error == 0) error = split_at(end);
  for (vma = vmas_.find_intersection(start, end); error == 0 && vma != nullptr && vma->start < end;
       vma = vma->next)
    error = events.add_unmap(vma->userfaultfd, start, end);
  if (error < 0) {
    merge_range(start, end);
    return error;
  }
  zap_range(start, end, {.markers = true});
  while ((vma = vmas_.find_intersection(start, end)) != nullptr) remove(vma);
  return 0;
}

long AddressSpace::brk(uint64_t address) {
  UserfaultEvents events;
  uint64_t populate_from = 0;
  uint64_t result;
  {
    MmapWriteGuard guard(mmap_lock_);
    if (brk_locked(address, populate_from, events) == 0) brk_ = address;
    result = brk_;
  }
  events.tell();
  if (populate_from != 0) populate(populate_from, page_align_up(result), Populate::kMap);
  return static_cast<long>(result);
}

// Nonzero: the break stays where it is. `populate_from` is where new memory begins that has to be locked.
long AddressSpace::brk_locked(uint64_t address, uint64_t& populate_from, UserfaultEvents& events) {
  if (address < start_brk_ || address > kUserEnd) return -ENOMEM;
  if (address - start_brk_ > current().limit(RLIMIT_DATA)) return -ENOMEM;
  uint64_t old_end = page_align_up(brk_);
  uint64_t new_end = page_align_up(address);
  if (new_end == old_end) return 0;
  if (new_end < old_end) {
    // A program may have unmapped its heap.
    if (vmas_.find_intersection(new_end, old_end) == nullptr) return -ENOMEM;
    return unmap_locked(new_end, old_end, events);
  }
  // A page stays free above the heap, and the gap that a stack above it needs.
  Vma* above = vmas_.find(old_end);
  if (above != nullptr) {
    uint64_t gap = above->flags & kVmGrowsDown ? kStackGuardGap : 0;
    if (new_end + kPageSize + gap > above->start) return -ENOMEM;
  }
  if (new_end > kUserEnd || vmas_.size() > kMaxMapCount) return -ENOMEM;
  if (!may_lock(default_flags_, new_end - old_end)) return -EAGAIN;
  if (default_flags_ & kVmLocked) populate_from = old_end;
  uint64_t flags = kVmRead | kVmWrite | kMayAll | default_flags_;
  return map_locked(old_end, new_end - old_end, flags, nullptr, 0, events);
}

}  // namespace mk
