// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pages faulted in ahead of use: Linux's __mm_populate and faultin_page_range (mm/gup.c), for MAP_POPULATE,
// locked memory and MADV_POPULATE_*. mmap_lock is taken for reading, for a few pages at a time, so that a
// large range keeps nobody else away from the address space.
//
//              | nothing mapped | not accessible | beyond a file's end, guarded | memory is out
//   kMap       | skipped        | skipped        | skipped                      | rest of the area skipped
//   kLock      | skipped        | -EFAULT        | -EFAULT                      | -ENOMEM
//   kRead/Write| -ENOMEM        | -EINVAL        | -EFAULT                      | -ENOMEM
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kStep = 64 * kPageSize;

bool is_advice(Populate why) { return why == Populate::kRead || why == Populate::kWrite; }

// One of the rights that the area must give.
uint64_t needed_right(Populate why) {
  if (why == Populate::kRead) return kVmRead;
  if (why == Populate::kWrite) return kVmWrite;
  return kVmAccess;
}

constexpr long kMustWait = 1;

// Shared pages are not written ahead: that would only make them dirty.
bool faults_for_writing(const Vma& vma, Populate why) {
  if (is_advice(why)) return why == Populate::kWrite;
  return (vma.flags & kVmWrite) && vma.is_private();
}

}  // namespace

long AddressSpace::populate(uint64_t start, uint64_t end, Populate why) {
  for (uint64_t at = start; at < end;) {
    if (at != start) let_others_run();
    MmapReadGuard guard(mmap_lock_);
    Vma* vma = vmas_.find_intersection(at, end);
    bool hole = vma == nullptr || vma->start > at;
    if (hole && is_advice(why)) return -ENOMEM;
    if (vma == nullptr) return 0;
    at = max(at, vma->start);
    uint64_t stop = min(min(vma->end, end), at + kStep);
    UserfaultWait wait(at, false);
    long error = populate_area(*vma, at, stop, why, &wait);
    if (error == kMustWait) {
      guard.unlock();
      if (wait.sleep(Sleep::kKillable) < 0) return -EINTR;
      continue;
    }
    if (error < 0 && why != Populate::kMap) return error;
    at = error < 0 ? min(vma->end, end) : stop;
    if (kill_pending(current())) return -EINTR;
  }
  return 0;
}

// kMustWait: a monitor has been asked for the page at `start`, which has been moved to it. Without `wait`
// that is -EFAULT.
long AddressSpace::populate_area(Vma& vma, uint64_t& start, uint64_t end, Populate why, UserfaultWait* wait) {
  if (!is_advice(why) && (vma.flags & kVmLockOnFault)) return 0;
  if (vma.pfn_map()) return is_advice(why) ? -EINVAL : 0;
  if ((vma.flags & needed_right(why)) == 0) return is_advice(why) ? -EINVAL : -EFAULT;
  Access access = faults_for_writing(vma, why) ? Access::kWrite : Access::kRead;
  for (; start < end; start += kPageSize) {
    if (wait != nullptr) wait->set_address(start);
    FaultOutcome outcome = handle_mm_fault(vma, start, access, wait);
    if (outcome == FaultOutcome::kUserfault) return kMustWait;
    if (outcome == FaultOutcome::kPoisoned) return is_advice(why) ? -EHWPOISON : -EFAULT;
    if (outcome == FaultOutcome::kOutOfMemory) return -ENOMEM;
    if (outcome == FaultOutcome::kSigbus || outcome == FaultOutcome::kSigsegv) return -EFAULT;
    // A marker's protection has gone over to the page: it takes a second fault, as the program's write would.
    bool once_more = access == Access::kWrite && read_pte(page_table_.find(start)).has(Pte::kUffdWp);
    if (once_more) start -= kPageSize;
  }
  return 0;
}

}  // namespace mk
