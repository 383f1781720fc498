// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page-fault handler: Linux's do_user_addr_fault and handle_mm_fault, with copy-on-write
// as the chosen policy decides (mm/cow/): reuse or copy. Here itself no frame descriptor is looked at.
#include <asm/resource.h>
#include <asm/siginfo.h>

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"
#include "mm/user_memory.h"
#include "mm/zero_page.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr AddressSpace::FaultResult segv(int code) { return {FaultOutcome::kSigsegv, code}; }

// Linux's access_error(). A fetch from memory that may not be executed is refused only when a page is there:
// the first such fault maps the page, the second one is a protection violation. Programs see that in the
// error code.
bool refused(const Vma& vma, Access access, bool protection_violation) {
  if (access == Access::kWrite) return !(vma.flags & kVmWrite);
  if (access == Access::kFetch && protection_violation) return !(vma.flags & kVmExec);
  return !(vma.flags & kVmAccess);
}

bool is_good(FaultOutcome outcome) {
  return outcome != FaultOutcome::kSigsegv && outcome != FaultOutcome::kSigbus &&
         outcome != FaultOutcome::kPoisoned && outcome != FaultOutcome::kOutOfMemory;
}

void* bytes_of(Pfn pfn) { return phys_to_virt(pfn * kPageSize); }

// What a write leaves in an entry.
constexpr uint64_t kWritten = Pte::kDirty | Pte::kSoftDirty;

// Linux's handle_userfault(), with the page-table lock held: the caller waits when it holds no lock any more.
// SIGBUS where nobody can wait, or must not.
FaultOutcome handle_userfault(const Vma& vma, Access access, unsigned reason, UserfaultWait* wait) {
  Userfaultfd& context = *vma.userfaultfd;
  if (wait == nullptr || current().exiting || context.has(UFFD_FEATURE_SIGBUS)) return FaultOutcome::kSigbus;
  if (!wait->from_user() && context.user_mode_only()) return FaultOutcome::kSigbus;
  context.add_fault(*wait, access == Access::kWrite, reason);
  return FaultOutcome::kUserfault;
}

}  // namespace

AddressSpace::FaultResult AddressSpace::handle_page_fault(uint64_t address, Access access,
                                                          bool protection_violation, UserfaultWait& wait) {
  if (address >= kUserEnd) return segv(SEGV_MAPERR);
  {
    MmapReadGuard guard(mmap_lock_);
    Vma* vma = vmas_.find(address);
    if (vma == nullptr) return segv(SEGV_MAPERR);
    if (vma->start <= address) return fault_locked(*vma, address, access, protection_violation, wait);
    if (!(vma->flags & kVmGrowsDown)) return segv(SEGV_MAPERR);
  }
  if (!grow_stack(address)) return segv(SEGV_MAPERR);
  MmapReadGuard guard(mmap_lock_);
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr) return segv(SEGV_MAPERR);
  FaultResult result = fault_locked(*vma, address, access, protection_violation, wait);
  if (is_good(result.outcome) && result.outcome != FaultOutcome::kUserfault)
    result.outcome = FaultOutcome::kStackGrowth;
  return result;
}

AddressSpace::FaultResult AddressSpace::fault_locked(Vma& vma, uint64_t address, Access access,
                                                     bool protection_violation, UserfaultWait& wait) {
  if (refused(vma, access, protection_violation)) return segv(SEGV_ACCERR);
  FaultOutcome outcome = handle_mm_fault(vma, page_align_down(address), access, &wait);
  if (outcome == FaultOutcome::kSigsegv) return segv(SEGV_MAPERR);
  // Poison too, as where Linux is built without memory failure handling.
  bool bus = outcome == FaultOutcome::kSigbus || outcome == FaultOutcome::kPoisoned;
  return {outcome, bus ? BUS_ADRERR : 0};
}

// `wait` may be null: who cannot wait for a monitor.
FaultOutcome AddressSpace::handle_mm_fault(Vma& vma, uint64_t address, Access access, UserfaultWait* wait) {
  Pte* entry = page_table_.ensure(address);
  if (entry == nullptr) return FaultOutcome::kOutOfMemory;
  if (vma.pfn_map() && read_pte(entry).missing()) return do_pfn_fault(vma, address, entry, access);
  if (!vma.anonymous() && read_pte(entry).missing()) return do_file_fault(vma, address, entry, access, wait);
  PteLock lock(entry);
  Pte now = read_pte(entry);
  if (now.missing())
    return vma.anonymous() ? do_anonymous_page(vma, entry, access, wait) : FaultOutcome::kSpurious;
  if (now.guard()) return FaultOutcome::kSigsegv;
  if (now.poisoned()) return FaultOutcome::kPoisoned;
  KASSERT(now.maps_page());
  if (access == Access::kWrite && !now.writable()) return do_wp_page(vma, address, entry, wait);
  // The entry allows the access: another CPU was faster, or the TLB held an older one, and this fault has
  // dropped it (SDM Vol. 3, 4.10.4.1).
  return FaultOutcome::kSpurious;
}

// A marker's UFFD_WP goes over to the page: a write then faults once more.
FaultOutcome AddressSpace::do_anonymous_page(Vma& vma, Pte* entry, Access access, UserfaultWait* wait) {
  KASSERT(vma.is_private());  // what is shared has a file
  if (vma.flags & kVmUffdMissing) return handle_userfault(vma, access, 0, wait);
  uint64_t wp = read_pte(entry).value() & Pte::kUffdWp;
  if (access != Access::kWrite) {
    set_pte(entry, with_protection(Pte::for_frame(zero_page_pfn(), Pte::kSpecial | Pte::kAccessed | wp), vma,
                                   false));
    vma.has_anon_pages = true;
    count_vm_event(VmEvent::kZeroPage);
    return FaultOutcome::kZeroPage;
  }
  Pfn pfn = alloc_zeroed_frame();
  if (pfn == 0) return FaultOutcome::kOutOfMemory;
  vma.has_anon_pages = true;
  set_pte(entry, new_page_entry(vma, pfn, wp));
  count_rss(1);
  return FaultOutcome::kAnonZero;
}

// Whether a monitor has to be asked before a page of a file is mapped: it is missing (a hole of the file), or
// it is there and minor faults are wanted (Linux's shmem_get_folio_gfp).
bool AddressSpace::file_userfault(const Vma& vma, uint64_t address, Pte* entry, Access access,
                                  UserfaultWait* wait, FaultOutcome& outcome) {
  if (!(vma.flags & (kVmUffdMissing | kVmUffdMinor))) return false;
  Inode& inode = vma.file->inode();
  uint64_t page = vma.file_offset(address) / kPageSize;
  if (page >= page_align_up(__atomic_load_n(&inode.size, __ATOMIC_RELAXED)) / kPageSize) return false;
  PteLock lock(entry);
  if (!read_pte(entry).missing()) {
    outcome = FaultOutcome::kSpurious;
    return true;
  }
  bool there = inode.has_page(page);
  if (!(vma.flags & (there ? kVmUffdMinor : kVmUffdMissing))) return false;
  outcome = handle_userfault(vma, access, there ? UFFD_PAGEFAULT_FLAG_MINOR : 0, wait);
  return true;
}

// The file's page is got before the page-table lock is taken: the page cache may have to be filled.
FaultOutcome AddressSpace::do_file_fault(Vma& vma, uint64_t address, Pte* entry, Access access,
                                         UserfaultWait* wait) {
  FaultOutcome outcome;
  if (file_userfault(vma, address, entry, access, wait, outcome)) return outcome;
  uint64_t offset = vma.file_offset(address);
  Result<Pfn> got = vma.file->inode().get_page(offset / kPageSize);
  if (!got.ok()) return got.error() == -ENXIO ? FaultOutcome::kSigbus : FaultOutcome::kOutOfMemory;
  Pfn source = *got;
  bool copies = access == Access::kWrite && vma.is_private();
  Pfn copy = copies ? alloc_frame() : 0;
  if (copies && copy == 0) {
    frame_put(source);
    return FaultOutcome::kOutOfMemory;
  }
  if (copies) memcpy(bytes_of(copy), bytes_of(source), kPageSize);
  PteLock lock(entry);
  uint64_t wp = read_pte(entry).value() & Pte::kUffdWp;
  if (!read_pte(entry).missing()) {
    frame_put(source);
    if (copies) frame_put(copy);
    return FaultOutcome::kSpurious;
  }
  count_rss(1);
  if (copies) {
    frame_put(source);
    vma.has_anon_pages = true;
    set_pte(entry, new_page_entry(vma, copy, wp));
    count_vm_event(VmEvent::kCowCopy);
    return FaultOutcome::kCopy;
  }
  cow().map_file(source);
  bool writes = access == Access::kWrite;
  Pte now = Pte::for_frame(source, Pte::kFile | Pte::kAccessed | wp | (writes ? kWritten : 0));
  set_pte(entry, with_protection(now, vma, !vma.is_private() && (vma.flags & kVmWrite)));
  return FaultOutcome::kFilePage;
}

// Memory of a device, without a reference to anything. A private mapping's write faults once more, and
// copies.
FaultOutcome AddressSpace::do_pfn_fault(Vma& vma, uint64_t address, Pte* entry, Access access) {
  Pfn pfn = vma.file->inode().device_page(vma.file_offset(address) / kPageSize);
  PteLock lock(entry);
  Pte now = read_pte(entry);
  if (!now.missing()) return FaultOutcome::kSpurious;
  bool writes = access == Access::kWrite && !vma.is_private() && !now.has(Pte::kUffdWp);
  uint64_t bits = Pte::kSpecial | Pte::kAccessed | (now.value() & Pte::kUffdWp) | (writes ? kWritten : 0);
  set_pte(entry,
          with_protection(Pte::for_frame(pfn, bits), vma, !vma.is_private() && (vma.flags & kVmWrite)));
  return FaultOutcome::kPfnMapped;
}

// A write to a page that is there and may not be written yet, in an area that allows it; or that is forced,
// and then leaves the page the address space's own but W away (Linux's maybe_mkwrite).
FaultOutcome AddressSpace::do_wp_page(Vma& vma, uint64_t address, Pte* entry, UserfaultWait* wait) {
  Pte now = read_pte(entry);
  uint64_t bits = 0;
  bool async = false;
  if (now.has(Pte::kUffdWp)) {
    KASSERT(vma.flags & kVmUffdWp);
    async = vma.userfaultfd->has(uffd::kFeatureWpAsync);
    if (!async) return handle_userfault(vma, Access::kWrite, UFFD_PAGEFAULT_FLAG_WP, wait);
    count_vm_event(VmEvent::kUffdWpAsync);
    now = now.without(Pte::kUffdWp);  // in the entry it goes with what is decided below
  }
  if (!vma.is_private() || (!now.special() && cow().may_reuse(*this, vma, now, bits))) {
    bits |= Pte::kAccessed | kWritten | (vma.flags & kVmWrite ? Pte::kWrite : 0);
    modify_pte(entry, [&](Pte seen) { return seen.without(Pte::kUffdWp).with(bits); });
    count_vm_event(VmEvent::kCowReuse);
    return async ? FaultOutcome::kUffdAsync : FaultOutcome::kReuse;
  }
  if (!now.special() || now.pfn() != zero_page_pfn()) return copy_page(vma, address, entry);
  Pfn pfn = alloc_zeroed_frame();  // instead of copying the zero page
  if (pfn == 0) return FaultOutcome::kOutOfMemory;
  replace_page(address, entry, new_page_entry(vma, pfn));
  count_rss(1);
  return FaultOutcome::kAnonZero;
}

FaultOutcome AddressSpace::copy_page(Vma& vma, uint64_t address, Pte* entry) {
  Pfn pfn = alloc_frame();
  if (pfn == 0) return FaultOutcome::kOutOfMemory;
  // Somebody has taken W from entries and not flushed yet: another CPU may still write what is copied here.
  if (__atomic_load_n(&tlb_flush_pending, __ATOMIC_SEQ_CST) != 0)
    flush_tlb(page_table_, address, address + kPageSize);
  memcpy(bytes_of(pfn), bytes_of(read_pte(entry).pfn()), kPageSize);
  if (read_pte(entry).special()) count_rss(1);
  replace_page(address, entry, new_page_entry(vma, pfn));
  vma.has_anon_pages = true;
  count_vm_event(VmEvent::kCowCopy);
  return FaultOutcome::kCopy;
}

// Makes a page the address space's own before somebody takes a reference for reading: by taking it over, or
// by a copy that stays as read-only as the page was (Linux's FAULT_FLAG_UNSHARE).
FaultOutcome AddressSpace::unshare_page(Vma& vma, uint64_t address, Pte* entry) {
  constexpr uint64_t kKept = Pte::kUffdWp | Pte::kSoftDirty;
  Pte now = read_pte(entry);
  uint64_t bits = 0;
  if (!now.special() && cow().may_reuse(*this, vma, now, bits)) {
    modify_pte(entry, [&](Pte seen) { return seen.with(bits); });
    return FaultOutcome::kReuse;
  }
  Pfn pfn = alloc_frame();
  if (pfn == 0) return FaultOutcome::kOutOfMemory;
  if (__atomic_load_n(&tlb_flush_pending, __ATOMIC_SEQ_CST) != 0)
    flush_tlb(page_table_, address, address + kPageSize);
  memcpy(bytes_of(pfn), bytes_of(now.pfn()), kPageSize);
  Pte copy = Pte::for_frame(pfn, cow().map_new(pfn) | Pte::kAccessed | (now.value() & kKept));
  replace_page(address, entry, with_protection(copy, vma, false));
  if (now.special()) count_rss(1);
  vma.has_anon_pages = true;
  count_vm_event(VmEvent::kCowUnshare);
  return FaultOutcome::kCopy;
}

// Of a frame that is the address space's own, and written.
Pte AddressSpace::new_page_entry(const Vma& vma, Pfn pfn, uint64_t bits) {
  Pte written = Pte::for_frame(pfn, cow().map_new(pfn) | Pte::kAccessed | kWritten | bits);
  return with_protection(written, vma, vma.flags & kVmWrite);
}

// Puts an entry of another frame in an entry's place. No CPU may see the old frame once another sees the new
// one: in between nobody sees either (Linux's ptep_clear_flush).
void AddressSpace::replace_page(uint64_t address, Pte* entry, Pte replacement) {
  Pte old = set_pte(entry, Pte());
  flush_tlb(page_table_, address, address + kPageSize);
  set_pte(entry, replacement);
  if (old.special()) return;
  cow().unmap(old);
  cow().drop_copied(old.pfn());
}

// Growing changes the set of areas, which needs the lock for writing; the area may have changed in between.
bool AddressSpace::grow_stack(uint64_t address) {
  MmapWriteGuard guard(mmap_lock_);
  Vma* vma = vmas_.find(address);
  return vma != nullptr && (vma->start <= address || expand_stack(*vma, address));
}

// Linux's expand_downwards(). Needs mmap_lock held for writing.
bool AddressSpace::expand_stack(Vma& vma, uint64_t address) {
  if (!(vma.flags & kVmGrowsDown)) return false;
  uint64_t start = page_align_down(address);
  if (start < kMmapMinAddress) return false;
  const Vma* below = vma.previous;
  bool needs_gap = below != nullptr && !(below->flags & kVmGrowsDown) && (below->flags & kVmAccess);
  if (needs_gap && start - below->end < kStackGuardGap) return false;
  if (vma.end - start > current().limit(RLIMIT_STACK)) return false;
  if (!may_expand(vma.flags, vma.start - start) || !may_lock(vma.flags, vma.start - start)) return false;
  account(vma, -1);
  vma.start = start;  // keeps the order of the areas
  account(vma, 1);
  return true;
}

// The frame behind a page after an access the area allows; 0 when it does not or memory is out. Needs
// mmap_lock.
Pfn AddressSpace::fault_in(uint64_t address, Access access) {
  address = page_align_down(address);
  Vma* vma = vmas_.find_intersection(address, address + kPageSize);
  if (vma == nullptr || refused(*vma, access, false) ||
      !is_good(handle_mm_fault(*vma, address, access, nullptr)))
    return 0;
  return read_pte(page_table_.find(address)).pfn();
}

// Calls visit(pointer, offset, bytes) for the part of [address, address + bytes) in each page, faulted in for
// writing.
template <typename Visit>
long AddressSpace::for_each_writable_part(uint64_t address, size_t bytes, Visit visit) {
  MmapReadGuard guard(mmap_lock_);
  for (size_t done = 0; done < bytes;) {
    uint64_t at = address + done;
    Pfn pfn = fault_in(at, Access::kWrite);
    if (pfn == 0) return -EFAULT;
    size_t part = min(bytes - done, static_cast<size_t>(kPageSize - at % kPageSize));
    visit(static_cast<char*>(bytes_of(pfn)) + at % kPageSize, done, part);
    done += part;
  }
  return 0;
}

long AddressSpace::write_memory(uint64_t address, const void* source, size_t bytes) {
  const char* from = static_cast<const char*>(source);
  return for_each_writable_part(
      address, bytes, [&](char* to, size_t offset, size_t part) { memcpy(to, from + offset, part); });
}

long AddressSpace::clear_memory(uint64_t address, size_t bytes) {
  return for_each_writable_part(address, bytes, [](char* to, size_t, size_t part) { memset(to, 0, part); });
}

}  // namespace mk
