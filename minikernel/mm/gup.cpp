// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/gup.h"

#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "mm/zero_page.h"
#include "proc/task.h"

namespace mk {
namespace {

// Of the page of zeros: nothing has to be given back.
constexpr unsigned kNoReference = 1u << 31;

// Linux's check_vma_flags().
bool may_follow(const Vma& vma, unsigned flags) {
  bool forced = flags & kFollForce;
  if (flags & kFollWrite) {
    if (vma.flags & kVmWrite) return true;
    return forced && (vma.flags & kVmMayWrite) && vma.is_private();
  }
  return (vma.flags & kVmRead) || (forced && (vma.flags & kVmMayRead));
}

// What a fault that could not be settled means for who wants the page; 0: look again.
constexpr long kWaitForMonitor = 1;
long error_of(FaultOutcome outcome) {
  switch (outcome) {
    case FaultOutcome::kOutOfMemory:
      return -ENOMEM;
    case FaultOutcome::kSigbus:
    case FaultOutcome::kSigsegv:
    case FaultOutcome::kPoisoned:
      return -EFAULT;
    case FaultOutcome::kUserfault:
      return kWaitForMonitor;
    default:
      return 0;
  }
}

bool is_zero_page(Pte entry) { return entry.special() && entry.pfn() == zero_page_pfn(); }

}  // namespace

// Linux's follow_page_pte() and faultin_page(), until one of them is done.
long AddressSpace::follow_page(uint64_t address, PageRef& ref, UserfaultWait* wait) {
  bool write = ref.flags & kFollWrite;
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr || !may_follow(*vma, ref.flags)) return -EFAULT;
  bool faulted = false;
  while (true) {
    if (Pte* entry = page_table_.find(address)) {
      PteLock lock(entry);
      Pte now = read_pte(entry);
      if (now.maps_page() && now.special() && !is_zero_page(now))
        return -EFAULT;  // no page that could be referred to
      bool allowed = now.maps_page() &&
                     (!write || now.writable() ||
                      (!(vma->flags & kVmWrite) && !now.special() && cow().may_write_forced(now, faulted)));
      if (allowed && !write && vma->is_private() && cow().must_unshare(*vma, now, ref.flags)) {
        if (unshare_page(*vma, address, entry) == FaultOutcome::kOutOfMemory) return -ENOMEM;
        now = read_pte(entry);
      }
      if (allowed && is_zero_page(now)) {
        ref.flags |= kNoReference;
        ref.pfn = now.pfn();
        return 0;
      }
      if (allowed) return cow().take_reference(*this, *vma, entry, ref);
    }
    FaultOutcome outcome = handle_mm_fault(*vma, address, write ? Access::kWrite : Access::kRead, wait);
    faulted = true;
    if (long error = error_of(outcome); error != 0) return error;
  }
}

// Under the page-table lock the page stays what it is.
long AddressSpace::read_page_locked(uint64_t address, void* out, size_t bytes, unsigned follow,
                                    UserfaultWait* wait) {
  Vma* vma = vmas_.find_intersection(address, address + 1);
  if (vma == nullptr || !may_follow(*vma, follow)) return -EFAULT;
  while (true) {
    if (Pte* entry = page_table_.find(address)) {
      PteLock lock(entry);
      Pte now = read_pte(entry);
      if (now.maps_page() && now.special() && !is_zero_page(now)) return -EFAULT;
      if (now.maps_page()) {
        memcpy(out, static_cast<char*>(phys_to_virt(now.pfn() * kPageSize)) + address % kPageSize, bytes);
        return 0;
      }
    }
    FaultOutcome outcome = handle_mm_fault(*vma, page_align_down(address), Access::kRead, wait);
    if (long error = error_of(outcome); error != 0) return error;
  }
}

// As often as a monitor has to be waited for, which is done without the lock.
template <typename Try>
long AddressSpace::with_monitors(uint64_t address, unsigned follow, Try attempt) {
  while (true) {
    UserfaultWait wait(address, false);
    long result;
    {
      MmapReadGuard guard(mmap_lock_);
      result = attempt(follow & kFollNoWait ? nullptr : &wait);
    }
    if (result != kWaitForMonitor) return result;
    if (long slept = wait.sleep(Sleep::kInterruptible); slept < 0) return slept;
  }
}

long AddressSpace::read_page(uint64_t address, void* out, size_t bytes, unsigned follow) {
  return with_monitors(address, follow, [&](UserfaultWait* wait) {
    return read_page_locked(address, out, bytes, follow, wait);
  });
}

long AddressSpace::get_page(uint64_t address, PageRef& ref) {
  return with_monitors(address, ref.flags,
                       [&](UserfaultWait* wait) { return follow_page(address, ref, wait); });
}

long get_user_pages(AddressSpace& mm, uint64_t address, size_t count, unsigned flags, PageRef* out) {
  for (size_t i = 0; i < count; ++i) {
    uint64_t at = page_align_down(address) + i * kPageSize;
    out[i] = {0, flags};
    long error = at < kUserEnd ? mm.get_page(at, out[i]) : -EFAULT;
    if (error < 0) return i > 0 ? static_cast<long>(i) : error;
  }
  return static_cast<long>(count);
}

long get_own_pages(uint64_t address, size_t count, unsigned flags, PageRef* out) {
  AddressSpace& mm = *current().mm;
  size_t done = 0;
  for (; done < count; ++done) {
    uint64_t at = page_align_down(address) + done * kPageSize;
    Pte* entry = at < kUserEnd ? mm.page_table().find(at) : nullptr;
    out[done] = {0, flags};
    if (entry == nullptr || !cow().take_reference_fast(mm, entry, out[done])) break;
  }
  if (done == count) return static_cast<long>(count);
  long rest =
      get_user_pages(mm, page_align_down(address) + done * kPageSize, count - done, flags, out + done);
  if (rest < 0) return done > 0 ? static_cast<long>(done) : rest;
  return static_cast<long>(done) + rest;
}

void put_user_page(PageRef& ref) {
  if (ref.pfn != 0 && !(ref.flags & kNoReference)) cow().put_reference(ref);
  ref.pfn = 0;
}

void* page_bytes(const PageRef& ref) { return phys_to_virt(ref.pfn * kPageSize); }

namespace {

// What lies in one page.
bool access_part(AddressSpace& mm, uint64_t address, char* buffer, size_t bytes, unsigned flags) {
  if (!(flags & kFollWrite)) return mm.read_page(address, buffer, bytes, flags | kFollNoWait) == 0;
  PageRef page;
  if (get_user_pages(mm, address, 1, flags | kFollGet | kFollNoWait, &page) != 1) return false;
  memcpy(static_cast<char*>(page_bytes(page)) + address % kPageSize, buffer, bytes);
  put_user_page(page);
  return true;
}

}  // namespace

// Looks a second time where a stack has grown to, as Linux's __access_remote_vm().
long access_process_memory(AddressSpace& mm, uint64_t address, void* buffer, size_t bytes, unsigned flags) {
  size_t done = 0;
  while (done < bytes) {
    uint64_t at = address + done;
    size_t part = min(bytes - done, static_cast<size_t>(kPageSize - at % kPageSize));
    if (at >= kUserEnd) break;
    char* here = static_cast<char*>(buffer) + done;
    if (!access_part(mm, at, here, part, flags)) {
      bool again = (flags & kFollForce) && mm.grow_stack(at);
      if (!again || !access_part(mm, at, here, part, flags)) break;
    }
    done += part;
  }
  return static_cast<long>(done);
}

}  // namespace mk
