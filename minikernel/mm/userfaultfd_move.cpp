// SPDX-License-Identifier: GPL-2.0-or-later
//
// UFFDIO_MOVE: pages change their address without being copied (Linux's move_pages()). The areas are
// anonymous, private, writable and alike, and only a page that nobody else has or refers to moves. The entry
// takes its software bits along, but not UFFD_WP, as in Linux; and it is soft-dirty where it arrives.
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/user_memory.h"
#include "mm/userfaultfd.h"
#include "proc/task.h"

namespace mk {
namespace {

// Clears the entry, if its page may move; a hole that is fine leaves `taken` none. A pin may come at any
// time, but not unnoticed between the look and the exchange.
long take_page(Pte* entry, bool holes, Pte& taken) {
  while (true) {
    Pte now = read_pte(entry);
    if (now.none()) return holes ? 0 : -ENOENT;
    if (!now.maps_page()) return -EFAULT;
    if (!now.special() && !cow().owns(entry, now)) return -EBUSY;
    taken = now;
    if (compare_exchange_pte(entry, now, Pte())) return 0;
  }
}

}  // namespace

// EINVAL but for: EAGAIN, ENOENT (nothing is mapped there). With mmap_lock.
long AddressSpace::check_move(const Userfaultfd& context, uint64_t to, uint64_t from, uint64_t length,
                              Vma*& target, Vma*& source) {
  target = vmas_.find_intersection(to, to + 1);
  source = vmas_.find_intersection(from, from + 1);
  if (target == nullptr || source == nullptr) return -ENOENT;
  if (context.mmap_changing()) return -EAGAIN;
  if ((target->flags | source->flags) & kVmShared) return -EINVAL;
  if (length > target->end - to || length > source->end - from) return -EINVAL;
  if ((target->flags ^ source->flags) & (kVmAccess | kVmLocked)) return -EINVAL;
  if (!(source->flags & kVmWrite) || source->pfn_map() || target->pfn_map()) return -EINVAL;
  if (target->userfaultfd.raw() != &context) return -EINVAL;
  return target->anonymous() && source->anonymous() ? 0 : -EINVAL;
}

// One page. EEXIST: something is there. ENOENT: there is nothing to move (fine with `holes`). EBUSY: somebody
// else has the page. EFAULT: a marker.
long AddressSpace::move_page(Vma& target, uint64_t to, uint64_t from, bool holes) {
  Pte* to_entry = page_table_.ensure(to);
  if (to_entry == nullptr) return -ENOMEM;
  {
    PteLock lock(to_entry);
    if (!read_pte(to_entry).none()) return -EEXIST;
  }
  Pte* from_entry = page_table_.find(from);
  if (from_entry == nullptr) return holes ? 0 : -ENOENT;
  // In the order of the locks' addresses; both may be in one table.
  Spinlock* first = &pte_lock(from_entry < to_entry ? from_entry : to_entry);
  Spinlock* second = &pte_lock(from_entry < to_entry ? to_entry : from_entry);
  first->lock();
  if (second != first) second->lock();
  Pte taken;
  long error = read_pte(to_entry).none() ? take_page(from_entry, holes, taken) : -EEXIST;
  if (error == 0 && !taken.none()) {
    flush_tlb(page_table_, from, from + kPageSize);
    target.has_anon_pages = true;
    Pte moved = taken.without(Pte::kUffdWp).with(Pte::kSoftDirty);
    set_pte(to_entry, with_protection(moved, target, !taken.special()));
  }
  if (second != first) second->unlock();
  first->unlock();
  return error;
}

long AddressSpace::userfault_move(const Userfaultfd& context, uint64_t to, uint64_t from, uint64_t length,
                                  bool holes) {
  MmapReadGuard guard(mmap_lock_);
  Vma *target, *source;
  long error = check_move(context, to, from, length, target, source);
  uint64_t done = 0;
  while (done < length && error == 0) {
    error = move_page(*target, to + done, from + done, holes);
    if (error == 0) done += kPageSize;
    if (error == 0 && done < length && kill_pending(current())) error = -EINTR;
  }
  return done > 0 ? static_cast<long>(done) : error;
}

}  // namespace mk
