// SPDX-License-Identifier: GPL-2.0-or-later
//
// madvise: Linux mm/madvise.c. Three kinds of advice: what becomes a flag of the area; what drops, guards or
// faults in pages; and hints that a kernel without read-ahead and swap has already followed (WILLNEED, COLD,
// PAGEOUT). MADV_FREE drops pages at once, as Linux does when memory is short at that moment. Advice that
// Linux knows only when built with huge pages or memory failure handling is EINVAL where it would have to do
// something; so is that of KSM (MADV_MERGEABLE), which is not there.
//
// The range is gone through area by area. A hole is passed over and makes the result ENOMEM; any other error
// ends the call, and what came before stays done.
#include <asm/mman.h>
#include <linux/falloc.h>
#include <linux/mman.h>

#include "arch/x86_64/memory_layout.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"

// Newer than the headers.
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

namespace mk {
namespace {

bool is_known(int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
    case MADV_GUARD_INSTALL:
    case MADV_GUARD_REMOVE:
      return true;
    default:
      return false;
  }
}

// What a sealed area does not allow where the program could not write itself.
bool discards(int advice) {
  return advice == MADV_FREE || advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED ||
         advice == MADV_REMOVE || advice == MADV_DONTFORK || advice == MADV_WIPEONFORK ||
         advice == MADV_GUARD_INSTALL;
}

// The area's flags as the advice wants them; unchanged by advice that is about pages.
Result<uint64_t> advised_flags(const Vma& vma, int advice) {
  uint64_t flags = vma.flags;
  switch (advice) {
    case MADV_NORMAL:
      return flags & ~(kVmRandomRead | kVmSequentialRead);
    case MADV_SEQUENTIAL:
      return (flags & ~kVmRandomRead) | kVmSequentialRead;
    case MADV_RANDOM:
      return (flags & ~kVmSequentialRead) | kVmRandomRead;
    case MADV_DONTFORK:
      return flags | kVmDontCopy;
    case MADV_DOFORK:
      return flags & ~kVmDontCopy;
    case MADV_WIPEONFORK:
      if (!vma.anonymous() || !vma.is_private()) return Errno{EINVAL};
      return flags | kVmWipeOnFork;
    case MADV_KEEPONFORK:
      return flags & ~kVmWipeOnFork;
    case MADV_DONTDUMP:
      return flags | kVmDontDump;
    case MADV_DODUMP:
      return flags & ~kVmDontDump;
    case MADV_HUGEPAGE:
      return (flags & ~kVmNoHugePage) | kVmHugePage;
    case MADV_NOHUGEPAGE:
      return (flags & ~kVmHugePage) | kVmNoHugePage;
    default:
      return flags;
  }
}

bool drops_pages(const Vma& vma, int advice) {
  if (vma.pfn_map()) return false;
  if (advice == MADV_DONTNEED_LOCKED) return true;
  if (vma.flags & kVmLocked) return false;
  return advice == MADV_DONTNEED || (advice == MADV_FREE && vma.anonymous());
}

}  // namespace

// Before pages are dropped their monitor is told. 1: mmap_lock was let go for that, and the area has to be
// found again. 0: nobody wants to know. -ENOMEM.
long AddressSpace::tell_removal(uint64_t start, uint64_t end) {
  UserfaultEvents events;
  if (long error = events.add_remove(vmas_.find(start)->userfaultfd, start, end); error < 0) return error;
  if (events.empty()) return 0;
  mmap_lock_.unlock_write();
  events.tell();
  mmap_lock_.lock_write();
  return 1;
}

long AddressSpace::madvise(uint64_t address, uint64_t length, int advice) {
  if (!is_known(advice) || !page_aligned(address)) return -EINVAL;
  uint64_t size = page_align_up(length);
  if (length != 0 && size == 0) return -EINVAL;
  uint64_t end = address + size;
  if (end < address) return -EINVAL;
  if (end == address) return 0;
  if (advice == MADV_POPULATE_READ) return populate(address, end, Populate::kRead);
  if (advice == MADV_POPULATE_WRITE) return populate(address, end, Populate::kWrite);
  if (advice == MADV_REMOVE) return remove_pages(address, end);

  // Entries may disappear whose flush comes later: nobody may rely on them in between.
  MmapWriteGuard guard(mmap_lock_);
  long hole = 0;
  long error = 0;
  uint64_t at = address;
  while (at < end && error == 0) {
    Vma* vma = vmas_.find_intersection(at, end);
    if (vma == nullptr || vma->start > at) hole = -ENOMEM;
    if (vma == nullptr) break;
    at = max(at, vma->start);
    uint64_t stop = min(vma->end, end);
    long told = drops_pages(*vma, advice) ? tell_removal(at, stop) : 0;
    if (told < 0) return told;
    if (told > 0) {
      vma = vmas_.find(at);
      if (vma == nullptr || vma->start > at) return -ENOMEM;
      stop = min(vma->end, stop);
    }
    error = advise_area(*vma, at, stop, advice);
    if (error == 0) at = stop;
  }
  merge_range(address, at);
  return error < 0 ? error : hole;
}

// For [start, end), which lies inside `vma`.
long AddressSpace::advise_area(Vma& vma, uint64_t start, uint64_t end, int advice) {
  bool read_only_anonymous = vma.anonymous() && vma.is_private() && !(vma.flags & kVmWrite);
  if (vma.sealed() && discards(advice) && read_only_anonymous) return -EPERM;
  switch (advice) {
    case MADV_FREE:
      if (!vma.anonymous()) return -EINVAL;
      [[fallthrough]];
    case MADV_DONTNEED:
      if (vma.flags & kVmLocked) return -EINVAL;
      [[fallthrough]];
    case MADV_DONTNEED_LOCKED:
      if (vma.pfn_map()) return -EINVAL;
      // Linux frees the pages of MADV_FREE when memory is short; here it always is. But not those whose next
      // write a monitor waits for: it would not be told of it.
      zap_range(start, end, {.not_protected = advice == MADV_FREE, .area = &vma});
      return 0;
    case MADV_COLD:
    case MADV_PAGEOUT:
      return vma.flags & (kVmLocked | kVmPfnMap) ? -EINVAL : 0;
    case MADV_GUARD_INSTALL:
      if ((vma.flags & kVmLocked) || vma.pfn_map()) return -EINVAL;
      vma.has_anon_pages = true;  // fork takes the markers along
      return install_guards(start, end);
    case MADV_GUARD_REMOVE:
      if (vma.pfn_map()) return -EINVAL;
      remove_guards(start, end);
      return 0;
    default:
      break;
  }
  Result<uint64_t> flags = advised_flags(vma, advice);
  if (!flags.ok()) return flags.error();
  if (*flags == vma.flags) return 0;
  Result<Vma*> own = isolate(vma, start, end, *flags);
  return own.ok() ? 0 : -EAGAIN;  // out of memory for areas, says madvise(2)
}

// MADV_REMOVE: a hole in the file, for all who map it; without mmap_lock, which unmap_mapping_range takes.
long AddressSpace::remove_pages(uint64_t start, uint64_t end) {
  long hole = 0;
  for (uint64_t at = start; at < end;) {
    UserfaultEvents events;
    Ref<File> file;
    uint64_t offset, stop;
    {
      MmapReadGuard guard(mmap_lock_);
      Vma* vma = vmas_.find_intersection(at, end);
      if (vma == nullptr || vma->start > at) hole = -ENOMEM;
      if (vma == nullptr) return hole;
      if ((vma->flags & kVmLocked) || vma->anonymous()) return -EINVAL;
      if (!vma->may_write_shared()) return -EACCES;
      file = vma->file;
      at = max(at, vma->start);
      offset = vma->file_offset(at);
      stop = min(vma->end, end);
      if (long error = events.add_remove(vma->userfaultfd, at, stop); error < 0) return error;
    }
    events.tell();
    long error = file->inode().allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, stop - at);
    if (error < 0) return error;
    at = stop;
  }
  return hole;
}

}  // namespace mk
