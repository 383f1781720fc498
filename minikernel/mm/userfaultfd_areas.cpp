// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which areas a userfaultfd watches: UFFDIO_REGISTER, UFFDIO_UNREGISTER and the end of one (Linux
// fs/userfaultfd.c, mm/userfaultfd.c). All with mmap_lock held for writing. An area that is no longer watched
// for writes has no UFFD_WP left in its entries.
//
// Watched can be anonymous memory and files of which all is in memory; with WP_ASYNC and nothing but write
// protection any area, as in Linux. Beyond Linux, write protection alone is also possible for memory of
// devices (VM_PFNMAP): it needs the entries only.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"

namespace mk {
namespace {

// Linux's vma_can_userfault(), for the areas themselves and for what they are watched for already.
bool can_watch(const Vma& vma, uint64_t vm_flags, const Userfaultfd& context) {
  vm_flags &= kVmUffd;
  bool shmem = vma.file && vma.file->inode().is_shmem();
  if ((vm_flags & kVmUffdMinor) && !shmem) return false;
  if (vm_flags == kVmUffdWp && (vma.pfn_map() || context.has(uffd::kFeatureWpAsync))) return true;
  return vma.anonymous() || shmem;
}

long check_registration(const Vma& vma, uint64_t vm_flags, const Ref<Userfaultfd>& context) {
  if (!can_watch(vma, vm_flags, *context)) return -EINVAL;
  // Filling would write to a file that the program may not write.
  if (!(vma.flags & kVmMayWrite)) return -EPERM;
  if (vma.userfaultfd && vma.userfaultfd != context) return -EBUSY;
  return 0;
}

}  // namespace

// EINVAL: nothing mapped, or an area that cannot be watched; EPERM; EBUSY: another one watches; ENOMEM.
long AddressSpace::register_userfaultfd(const Ref<Userfaultfd>& context, uint64_t start, uint64_t end,
                                        uint64_t vm_flags) {
  MmapWriteGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(start, end);
  if (vma == nullptr) return -EINVAL;
  for (const Vma* at = vma; at != nullptr && at->start < end; at = at->next)
    if (long error = check_registration(*at, vm_flags, context); error < 0) return error;
  long error = 0;
  for (uint64_t at = start; error == 0 && at < end && (vma = vmas_.find_intersection(at, end)) != nullptr;) {
    uint64_t from = max(at, vma->start);
    at = min(vma->end, end);
    if (vma->userfaultfd == context && (vma->flags & vm_flags) == vm_flags) continue;
    Result<Vma*> own = isolate(*vma, from, at, (vma->flags & ~kVmUffd) | vm_flags, context);
    error = own.ok() ? 0 : own.error();
    if (error == 0 && !(vm_flags & kVmUffdWp)) unprotect_area(**own, from, at);
  }
  merge_range(start, end);
  return error;
}

// [start, end) of an area is watched no more.
long AddressSpace::uncover_area(Vma& vma, uint64_t start, uint64_t end) {
  Result<Vma*> own = isolate(vma, start, end, vma.flags & ~kVmUffd, nullptr);
  if (!own.ok()) return own.error();
  unprotect_area(**own, start, end);
  return 0;
}

// EINVAL: nothing mapped, or an area that another one watches. Whoever waits for a page of the range tries
// again.
long AddressSpace::unregister_userfaultfd(const Userfaultfd& context, uint64_t start, uint64_t end) {
  MmapWriteGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(start, end);
  if (vma == nullptr) return -EINVAL;
  for (const Vma* at = vma; at != nullptr && at->start < end; at = at->next) {
    if (at->userfaultfd && at->userfaultfd.raw() != &context) return -EINVAL;
    if (!can_watch(*at, at->flags, context)) return -EINVAL;
  }
  long error = 0;
  for (uint64_t at = start; error == 0 && at < end && (vma = vmas_.find_intersection(at, end)) != nullptr;) {
    uint64_t from = max(at, vma->start);
    at = min(vma->end, end);
    if (!vma->userfaultfd) continue;
    Ref<Userfaultfd> old = vma->userfaultfd;
    error = uncover_area(*vma, from, at);
    if (error == 0) old->wake(from, at - from);
  }
  merge_range(start, end);
  return error;
}

// All areas. Whole ones change, so nothing can fail.
void AddressSpace::release_userfaultfd(const Userfaultfd& context) {
  MmapWriteGuard guard(mmap_lock_);
  for (Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) {
    if (vma->userfaultfd.raw() != &context) continue;
    long error = uncover_area(*vma, vma->start, vma->end);
    KASSERT(error == 0);
  }
  merge_range(0, kUserEnd);
}

}  // namespace mk
