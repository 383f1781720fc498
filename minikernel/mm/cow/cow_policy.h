// SPDX-License-Identifier: GPL-2.0-or-later
//
// How copy-on-write decides: one of six policies, chosen by the command line's cow= (cow.cpp is the list;
// ARCHITECTURE.md, "Copy-on-write", says what they stand for). All that is a policy's own - what it looks at,
// what it keeps in entries or descriptors - is in its one file; faults, fork and unmapping ask here.
//
// All functions about an entry are called with its page-table lock held, for pages of private areas that have
// a frame (not SPECIAL), unless they say otherwise. References to frames are the caller's business
// (frame_get, frame_put) but where a function takes or gives them by name.
#pragma once

#include <stdint.h>

#include "arch/x86_64/pte.h"
#include "mm/gup.h"

namespace mk {

class AddressSpace;
struct Vma;

class CowPolicy {
 public:
  virtual const char* name() const = 0;
  // References are counted in the frames' descriptors, as Linux does; else dense (mm/frame_allocator.h).
  virtual bool counts_in_descriptors() const = 0;

  // A new frame, of this address space alone, is about to be mapped: bits for its entry.
  virtual uint64_t map_new(Pfn pfn) const = 0;
  // A frame of a file's page cache is about to be mapped, in an area of any kind.
  virtual void map_file(Pfn pfn) const = 0;
  // An entry, of an area of any kind, has been cleared.
  virtual void unmap(Pte old) const = 0;

  // A write fault at an entry without W: true when the page may be written in place, with the bits that the
  // entry gets beside W; false when it has to be copied.
  virtual bool may_reuse(AddressSpace& mm, const Vma& vma, Pte now, uint64_t& bits) const = 0;
  // Whether an entry whose area may be written again gets W at once (mprotect), or only when a write fault
  // asks.
  virtual bool writable_at_once(Pte now) const = 0;
  // The next two answer as long as the entry is `now`: what it was before, and what the policy makes of it.
  // Whether nobody else has the page or a reference to it, as far as the policy can tell (UFFDIO_MOVE).
  virtual bool owns(Pte* entry, Pte& now) const = 0;
  // Whether the page stays soft-dirty when that is cleared: somebody may write it without an entry.
  virtual bool stays_soft_dirty(Pte* entry, Pte& now) const = 0;
  // Write protection of userfaultfd can be asked for pages that are not there yet (WP_UNPOPULATED,
  // Linux 6.4).
  virtual bool marks_unpopulated() const { return true; }
  // The reference that a copying fault takes from the old frame.
  virtual void drop_copied(Pfn pfn) const = 0;

  // Fork, with the parent's mmap_lock held for writing too: what becomes of the page. kShared: both address
  // spaces map the frame, with a reference each; the parent's entry has been changed, neither has W, `child`
  // is what the child's entry gets. kCopy: the child gets a copy, because the frame has references that must
  // stay the parent's. kFull: no more references can be counted.
  enum class ForkOf { kShared, kCopy, kFull };
  virtual ForkOf fork_page(AddressSpace& parent, uint64_t linear, Pte* entry, Pte& child) const = 0;

  // References that are no entries (mm/gup.h). Without kFollWrite: whether the page has to be the address
  // space's own first; then may_reuse() is asked, and a copy made if it says no. Also for the page of zeros
  // (SPECIAL) and for pages of the file in private areas.
  virtual bool must_unshare(const Vma& vma, Pte now, unsigned follow) const = 0;
  // With kFollForce: the entry maps a page that a write fault has made the address space's own, though it has
  // no W.
  virtual bool may_write_forced(Pte now, bool after_fault) const = 0;
  // Takes one. -ENOMEM.
  virtual long take_reference(AddressSpace& mm, const Vma& vma, Pte* entry, PageRef& ref) const = 0;
  // The same without mmap_lock, for the running task's address space and an entry that may change: false: the
  // slow way.
  virtual bool take_reference_fast(AddressSpace& mm, Pte* entry, PageRef& ref) const = 0;
  virtual void put_reference(const PageRef& ref) const = 0;

  // An address space begins as a copy of another one; one ends, all its entries cleared. -ENOMEM.
  virtual long copied(AddressSpace&, AddressSpace&) const { return 0; }
  virtual void ended(AddressSpace&) const {}

 protected:
  ~CowPolicy() = default;
};

const CowPolicy& cow();

// What a read-only reference promises (ro_pin=): to see what its own process writes later (coherent), or only
// what was there when it was taken (snapshot).
extern bool ro_pins_are_snapshots;

// For boot, before the first frame is handed out: takes the policy of that name. False: there is none.
bool choose_cow_policy(const char* name);

extern const CowPolicy& cow_mapcount;
extern const CowPolicy& cow_page_count;
extern const CowPolicy& cow_unshare_mapcount;
extern const CowPolicy& cow_anon_exclusive;
extern const CowPolicy& cow_pte;
extern const CowPolicy& cow_pte_group;

}  // namespace mk
