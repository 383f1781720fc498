// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the policies of Linux have in common: each frame's descriptor says how many references there are
// (page_count), how many entries map it (page_mapcount) and that it is anonymous memory (PageAnon).
#pragma once

#include "lib/assert.h"
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
  bool owns(Pte now) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && references(frame) == 1 && mapped(frame) == 1;
  }
  // pte_is_pinned(), since 5.10: a pin counts as kPinBias references, so many others look like one.
  bool stays_soft_dirty(Pte now) const override {
    return now.writable() && references(frame_descriptor(now.pfn())) >= kPinBias;
  }

  // copy_present_pte(): get_page(), page_dup_rmap(), ptep_set_wrprotect().
  bool share(Pte old, Pte& parent, Pte& child) const override {
    if (!frame_get(old.pfn())) return false;
    __atomic_fetch_add(&frame_descriptor(old.pfn()).mapped, 1, __ATOMIC_RELAXED);
    parent = child = old.without(Pte::kWrite);
    return true;
  }

 protected:
  ~ClassicalCow() = default;

  static constexpr uint32_t kPinBias = 1024;  // GUP_PIN_COUNTING_BIAS

  static bool is_anonymous(const FrameDescriptor& frame) { return frame.flags & FrameDescriptor::kAnon; }
  static uint32_t mapped(const FrameDescriptor& frame) {
    return __atomic_load_n(&frame.mapped, __ATOMIC_RELAXED);
  }
  static uint32_t references(const FrameDescriptor& frame) {
    return __atomic_load_n(&frame.references, __ATOMIC_RELAXED);
  }
};

}  // namespace mk
