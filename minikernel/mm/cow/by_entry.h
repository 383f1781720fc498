// SPDX-License-Identifier: GPL-2.0-or-later
//
// Copy-on-write that looks at the page-table entry alone, as Linus Torvalds sketched it on 19 December 2021
// and nobody built: EXCL in the entry says that this address space has the frame for itself. No frame
// descriptor is ever looked at; how long a frame lives is told by the dense counts, which no fault reads to
// decide.
#pragma once

#include <asm/errno.h>

#include "arch/x86_64/page_table.h"
#include "mm/address_space.h"
#include "mm/cow/cow_policy.h"
#include "mm/pin_ledger.h"

namespace mk {

class EntryCow : public CowPolicy {
 public:
  bool counts_in_descriptors() const override { return false; }
  uint64_t map_new(Pfn) const override { return Pte::kExclusive; }
  void map_file(Pfn) const override {}
  void unmap(Pte) const override {}
  bool writable_at_once(Pte now) const override { return now.exclusive(); }
  bool owns(Pte* entry, Pte& now) const override {
    return now.exclusive() && !(now.has(Pte::kPin) && still_pinned(entry, now));
  }
  bool stays_soft_dirty(Pte* entry, Pte& now) const override {
    return now.has(Pte::kPinWrite) && still_pinned(entry, now);
  }
  // Off the fault's path: the frame's count is not touched before the fault is over.
  void drop_copied(Pfn pfn) const override { frame_put_later(pfn); }

  // PIN says that somebody may have pinned the frame since it was last looked up. Then nobody may write it
  // while that is found out and while it is copied - a child would see half of what a thread writes - so W
  // goes first, on all CPUs; and stays away until fork is over, because write faults wait for mmap_lock.
  // Against pins that are taken meanwhile each change is one compare-exchange.
  ForkOf fork_page(AddressSpace& parent, uint64_t linear, Pte* entry, Pte& child) const override {
    while (true) {
      Pte now = read_pte(entry);
      if (now.has(Pte::kPin)) {
        if (!compare_exchange_pte(entry, now, now.without(Pte::kWrite))) continue;
        if (now.writable()) flush_tlb(parent.page_table(), linear, linear + kPageSize);
        if (still_pinned(entry, now)) return ForkOf::kCopy;
        continue;
      }
      if (!frame_get(now.pfn())) return ForkOf::kFull;
      Pte shared = now.without(Pte::kWrite | Pte::kExclusive | Pte::kPinWrite);
      if (!compare_exchange_pte(entry, now, shared)) {
        frame_put(now.pfn());
        continue;
      }
      child = shared;
      return ForkOf::kShared;
    }
  }

  // A pin is of a page that the address space owns: what it does not own is copied, without a look at who
  // else has it.
  bool must_unshare(const Vma&, Pte now, unsigned) const override {
    return !ro_pins_are_snapshots && !now.exclusive();
  }
  bool may_write_forced(Pte now, bool) const override {
    return now.exclusive() && !now.has(Pte::kUffdWp) && now.has(Pte::kSoftDirty);
  }
  long take_reference(AddressSpace&, const Vma& vma, Pte* entry, PageRef& ref) const override {
    if (is_plain(ref.flags)) return take_plain(read_pte(entry).pfn(), ref);
    PinNode* node = new_pin_node();
    if (node == nullptr) return -ENOMEM;
    PinResult result = PinResult::kChanged;
    while (result == PinResult::kChanged) {
      Pte now = read_pte(entry);
      ref.pfn = now.pfn();
      if (vma.is_private()) {
        result = pin_entry(entry, now, now.with(pin_bits(ref.flags)), node);
      } else {
        result = pin_frame(now.pfn(), node) ? PinResult::kPinned : PinResult::kFull;
      }
    }
    free_pin_node(node);
    return result == PinResult::kPinned ? 0 : -ENOMEM;
  }
  bool take_reference_fast(AddressSpace&, Pte* entry, PageRef& ref) const override {
    Pte now = read_pte(entry);
    if (is_plain(ref.flags) || !now.present() || !now.exclusive()) return false;
    if ((ref.flags & kFollWrite) && !now.writable()) return false;
    PinNode* node = new_pin_node();
    if (node == nullptr) return false;
    bool pinned = pin_entry(entry, now, now.with(pin_bits(ref.flags)), node) == PinResult::kPinned;
    free_pin_node(node);
    if (pinned) ref.pfn = now.pfn();
    return pinned;
  }
  void put_reference(const PageRef& ref) const override {
    if (is_plain(ref.flags)) {
      frame_put(ref.pfn);
    } else {
      unpin_frame(ref.pfn);
    }
  }

 protected:
  ~EntryCow() = default;

 private:
  // Who only wants what is there now needs no promise that the page stays the address space's own.
  static bool is_plain(unsigned follow) { return ro_pins_are_snapshots && !(follow & kFollWrite); }
  static long take_plain(Pfn pfn, PageRef& ref) {
    if (!frame_get(pfn)) return -ENOMEM;
    ref.pfn = pfn;
    return 0;
  }
  // Whether the pins that PIN tells of are still there; if not, PIN is gone from the entry and from `now`, so
  // that the next pin changes the entry. The bits go before the look: a pin that came in between would set
  // what is set already, and whoever exchanges the entry next would not notice it.
  static bool still_pinned(Pte* entry, Pte& now) {
    constexpr uint64_t kPins = Pte::kPin | Pte::kPinWrite;
    uint64_t bits = modify_pte(entry, [](Pte seen) { return seen.without(kPins); }).value() & kPins;
    if (!is_pinned(now.pfn())) {
      now = now.without(kPins);
      return false;
    }
    modify_pte(entry, [&](Pte seen) { return seen.with(bits); });
    return true;
  }
  static uint64_t pin_bits(unsigned follow) {
    return Pte::kPin | (follow & kFollWrite ? Pte::kPinWrite | Pte::kDirty | Pte::kSoftDirty : 0);
  }
};

}  // namespace mk
