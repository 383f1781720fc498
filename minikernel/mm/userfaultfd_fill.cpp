// SPDX-License-Identifier: GPL-2.0-or-later
//
// UFFDIO_COPY, UFFDIO_ZEROPAGE, UFFDIO_CONTINUE and UFFDIO_POISON: Linux's mfill_atomic(). A page is put
// where none is, in one step for everybody else; a marker may be replaced by COPY and CONTINUE. A shared
// mapping's page becomes the file's.
//
// What is copied is read from the caller's memory before any lock is taken: that may fault and wait.
#include "arch/x86_64/user_copy.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "mm/zero_page.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kFilled = Pte::kDirty | Pte::kSoftDirty;

void* bytes_of(Pfn pfn) { return phys_to_virt(pfn * kPageSize); }

bool beyond_end(const Vma& vma, uint64_t address) {
  if (!vma.file || !vma.file->inode().is_shmem()) return false;
  uint64_t size = __atomic_load_n(&vma.file->inode().size, __ATOMIC_RELAXED);
  return vma.file_offset(address) >= page_align_up(size);
}

// A marker is no obstacle to a page that is copied or found, not even a guard's (Linux's pte_none_mostly).
bool may_fill(Pte now) { return !now.maps_page(); }

// What is mapped there: a page of the file, in its cache.
void map_file_page(const Vma& vma, Pte* entry, Pfn pfn, uint64_t bits) {
  cow().map_file(pfn);
  Pte now = Pte::for_frame(pfn, Pte::kFile | Pte::kAccessed | kFilled | bits);
  set_pte(entry, with_protection(now, vma, !vma.is_private() && (vma.flags & kVmWrite)));
}

// UFFDIO_CONTINUE. The page-table lock is held. EFAULT: the file has no such page.
long map_cached_page(Vma& vma, uint64_t address, Pte* entry, uint64_t bits) {
  Inode& inode = vma.file->inode();
  uint64_t page = vma.file_offset(address) / kPageSize;
  if (!inode.has_page(page)) return -EFAULT;
  Result<Pfn> pfn = inode.get_page(page);
  if (!pfn.ok()) return pfn.error() == -ENXIO ? -EFAULT : pfn.error();
  map_file_page(vma, entry, *pfn, bits);
  return 0;
}

}  // namespace

// The area that a fill of [start, start + length) goes to; null and an errno: EAGAIN, ENOENT (not all in one
// area that is registered), EINVAL. With mmap_lock.
Vma* AddressSpace::fill_area(const Userfaultfd& context, Fill how, uint64_t start, uint64_t length,
                             bool write_protected, long& error) {
  Vma* vma = vmas_.find_intersection(start, start + 1);
  error = -ENOENT;
  if (vma == nullptr || length > vma->end - start || !vma->userfaultfd) return nullptr;
  error = -EAGAIN;
  if (context.mmap_changing()) return nullptr;
  error = -EINVAL;
  if (write_protected && !(vma->flags & kVmUffdWp)) return nullptr;
  bool shmem = vma->file && vma->file->inode().is_shmem();
  if (!vma->anonymous() && !shmem) return nullptr;
  if (how == Fill::kContinue && !shmem) return nullptr;
  error = 0;
  return vma;
}

// Takes over `pfn` (0: none is needed), unless it fails.
long AddressSpace::fill_page(Vma& vma, Fill how, uint64_t address, Pfn& pfn, bool write_protected) {
  Pte* entry = page_table_.ensure(address);
  if (entry == nullptr) return -ENOMEM;
  PteLock lock(entry);
  Pte now = read_pte(entry);
  uint64_t bits = write_protected ? Pte::kUffdWp : 0;
  if (beyond_end(vma, address)) return -EFAULT;
  if (how == Fill::kContinue) {
    if (!may_fill(now)) return -EEXIST;
    if (long error = map_cached_page(vma, address, entry, bits); error < 0) return error;
    count_rss(1);
    return 0;
  }
  if (how == Fill::kPoison) {
    if (!now.none()) return -EEXIST;
    set_pte(entry, Pte(Pte::kPoisonMarker));
    vma.has_anon_pages = true;  // fork takes it along
    return 0;
  }
  if (how == Fill::kZero && vma.is_private()) {
    if (!now.none()) return -EEXIST;
    Pte zero = Pte::for_frame(zero_page_pfn(), Pte::kSpecial | Pte::kAccessed);
    set_pte(entry, with_protection(zero, vma, false));
    vma.has_anon_pages = true;
    return 0;
  }
  if (!vma.is_private()) {
    if (!frame_get(pfn)) return -ENOMEM;  // the mapping's, beside the file's
    long error =
        may_fill(now) ? vma.file->inode().add_page(vma.file_offset(address) / kPageSize, pfn) : -EEXIST;
    if (error < 0) {
      frame_put(pfn);
      return error;
    }
    map_file_page(vma, entry, pfn, bits);
  } else {
    if (!may_fill(now)) return -EEXIST;
    vma.has_anon_pages = true;
    set_pte(entry, new_page_entry(vma, pfn, bits));
  }
  pfn = 0;
  count_rss(1);
  return 0;
}

long AddressSpace::userfault_fill(const Userfaultfd& context, Fill how, uint64_t start, uint64_t length,
                                  uint64_t source, bool write_protected) {
  long error = 0;
  {
    MmapReadGuard guard(mmap_lock_);
    if (fill_area(context, how, start, length, write_protected, error) == nullptr) return error;
  }
  uint64_t done = 0;
  while (done < length && error == 0) {
    Pfn pfn = 0;
    if (how == Fill::kCopy || how == Fill::kZero) {
      pfn = how == Fill::kZero ? alloc_zeroed_frame() : alloc_frame();
      if (pfn == 0) error = -ENOMEM;
      if (error == 0 && how == Fill::kCopy && !copy_from_user(bytes_of(pfn), source + done, kPageSize))
        error = -EFAULT;
    }
    if (error == 0) {
      MmapReadGuard guard(mmap_lock_);
      Vma* vma = fill_area(context, how, start, length, write_protected, error);
      if (vma != nullptr) error = fill_page(*vma, how, start + done, pfn, write_protected);
    }
    if (pfn != 0) frame_put(pfn);
    if (error == 0) done += kPageSize;
    if (error == 0 && done < length && kill_pending(current())) error = -EINTR;
  }
  return done > 0 ? static_cast<long>(done) : error;
}

}  // namespace mk
