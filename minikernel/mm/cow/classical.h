// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the policies of Linux have in common: each frame's descriptor says how many references there are
// (page_count), how many entries map it (page_mapcount) and that it is anonymous memory (PageAnon).
#pragma once

#include "arch/x86_64/page_table.h"
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/cow/cow_policy.h"
#include "mm/frame_table.h"

namespace mk {

class ClassicalCow : public CowPolicy {
 public:
  bool counts_in_descriptors() const override { return true; }

  // Linux's page_add_new_anon_rmap().
  uint64_t map_new(Pfn pfn) const override {
    FrameDescriptor& frame = frame_descriptor(pfn);
    frame.flags |= FrameDescriptor::kAnon;
    frame.mapped = 1;
    return 0;
  }
  void map_file(Pfn pfn) const override {
    __atomic_fetch_add(&frame_descriptor(pfn).mapped, 1, __ATOMIC_RELAXED);
  }
  // page_remove_rmap()
  void unmap(Pte old) const override {
    uint32_t before = __atomic_fetch_sub(&frame_descriptor(old.pfn()).mapped, 1, __ATOMIC_RELAXED);
    KASSERT(before != 0);
  }
  // Before 5.19 mprotect() left it to the next write fault.
  bool writable_at_once(Pte) const override { return false; }
  void drop_copied(Pfn pfn) const override { frame_put(pfn); }
  bool owns(Pte*, Pte& now) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && references(frame) == 1 && mapped(frame) == 1;
  }
  // pte_is_pinned(), since 5.10: a pin counts as kPinBias references, so many others look like one.
  bool stays_soft_dirty(Pte*, Pte& now) const override {
    return now.writable() && references(frame_descriptor(now.pfn())) >= kPinBias;
  }

  // copy_present_pte(): get_page(), page_dup_rmap(), ptep_set_wrprotect().
  ForkOf fork_page(AddressSpace& parent, uint64_t, Pte* entry, Pte& child) const override {
    Pfn pfn = read_pte(entry).pfn();
    if (needs_copy_for_pins(parent, frame_descriptor(pfn))) return ForkOf::kCopy;
    if (!share_frame(pfn)) return ForkOf::kFull;
    Pte old = modify_pte(entry, [](Pte now) { return now.without(Pte::kWrite); });
    child = old.without(Pte::kWrite);
    return ForkOf::kShared;
  }

  bool must_unshare(const Vma&, Pte, unsigned) const override { return false; }
  // FOLL_COW; a page that is dirty for another reason may be shared.
  bool may_write_forced(Pte now, bool after_fault) const override {
    return after_fault && is_anonymous(frame_descriptor(now.pfn())) && now.has(Pte::kDirty);
  }
  long take_reference(AddressSpace& mm, const Vma&, Pte* entry, PageRef& ref) const override {
    return take(mm, read_pte(entry).pfn(), ref) ? 0 : -ENOMEM;
  }
  // gup_fast. Against fork and unmap it takes the page-table lock here, where Linux compares the entry once
  // more and has a sequence count.
  bool take_reference_fast(AddressSpace& mm, Pte* entry, PageRef& ref) const override {
    PteLock lock(entry);
    Pte now = read_pte(entry);
    if (!now.present() || now.special()) return false;
    if (ref.flags & kFollWrite ? !now.writable() : !has_fast_reading(now, ref.flags)) return false;
    return take(mm, now.pfn(), ref);
  }
  void put_reference(const PageRef& ref) const override {
    frame_put_many(ref.pfn, ref.flags & kFollPin ? kPinBias : 1);
  }

 protected:
  static constexpr uint32_t kPinBias = 1024;  // GUP_PIN_COUNTING_BIAS

  ~ClassicalCow() = default;

  // Fork: page_needs_cow_for_dma(). A count can be that high without a pin.
  virtual bool needs_copy_for_pins(const AddressSpace&, const FrameDescriptor&) const { return false; }
  // Whether a reference for reading needs no look at the area.
  virtual bool has_fast_reading(Pte, unsigned) const { return true; }

  static bool maybe_pinned(const AddressSpace& mm, const FrameDescriptor& frame) {
    return mm.has_pinned && is_anonymous(frame) && references(frame) >= kPinBias;
  }
  static bool share_frame(Pfn pfn) {
    if (!frame_get_many(pfn, 1)) return false;
    __atomic_fetch_add(&frame_descriptor(pfn).mapped, 1, __ATOMIC_RELAXED);
    return true;
  }
  static bool take(AddressSpace& mm, Pfn pfn, PageRef& ref) {
    if (ref.flags & kFollPin) mm.has_pinned = true;
    if (!frame_get_many(pfn, ref.flags & kFollPin ? kPinBias : 1)) return false;
    ref.pfn = pfn;
    return true;
  }

  static bool is_anonymous(const FrameDescriptor& frame) { return frame.flags & FrameDescriptor::kAnon; }
  static uint32_t mapped(const FrameDescriptor& frame) {
    return __atomic_load_n(&frame.mapped, __ATOMIC_RELAXED);
  }
  static uint32_t references(const FrameDescriptor& frame) {
    return __atomic_load_n(&frame.references, __ATOMIC_RELAXED);
  }
};

}  // namespace mk
