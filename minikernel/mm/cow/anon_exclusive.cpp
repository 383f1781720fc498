// SPDX-License-Identifier: GPL-2.0-or-later
//
// Linux since 5.19: a bit of the descriptor says that one address space has the page for itself
// (PageAnonExclusive). Fork takes the bit away; a write fault that finds nobody else's reference gives it
// back (wp_can_reuse_anon_folio).
#include "mm/cow/classical.h"

namespace mk {
namespace {

class AnonExclusiveCow final : public ClassicalCow {
 public:
  const char* name() const override { return "anon-exclusive"; }

  uint64_t map_new(Pfn pfn) const override {
    FrameDescriptor& frame = frame_descriptor(pfn);
    frame.flags |= FrameDescriptor::kAnon | FrameDescriptor::kExclusive;
    frame.mapped = 1;
    return 0;
  }
  bool may_reuse(AddressSpace&, const Vma&, Pte now, uint64_t&) const override {
    FrameDescriptor& frame = frame_descriptor(now.pfn());
    if (!is_anonymous(frame)) return false;
    if (is_exclusive(frame)) return true;
    if (references(frame) != 1) return false;
    __atomic_fetch_or(&frame.flags, FrameDescriptor::kExclusive, __ATOMIC_RELAXED);
    return true;
  }
  // can_change_private_pte_writable()
  bool writable_at_once(Pte now) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && is_exclusive(frame);
  }
  bool owns(Pte now) const override {
    return ClassicalCow::owns(now) && is_exclusive(frame_descriptor(now.pfn()));
  }
  bool share(Pte old, Pte& parent, Pte& child) const override {
    __atomic_fetch_and(&frame_descriptor(old.pfn()).flags, ~FrameDescriptor::kExclusive, __ATOMIC_RELAXED);
    return ClassicalCow::share(old, parent, child);
  }

 private:
  static bool is_exclusive(const FrameDescriptor& frame) {
    return __atomic_load_n(&frame.flags, __ATOMIC_RELAXED) & FrameDescriptor::kExclusive;
  }
};

const AnonExclusiveCow policy;

}  // namespace

const CowPolicy& cow_anon_exclusive = policy;

}  // namespace mk
