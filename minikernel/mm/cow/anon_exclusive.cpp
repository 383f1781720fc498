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
  bool owns(Pte* entry, Pte& now) const override {
    return ClassicalCow::owns(entry, now) && is_exclusive(frame_descriptor(now.pfn()));
  }
  // page_try_dup_anon_rmap()
  ForkOf fork_page(AddressSpace& parent, uint64_t linear, Pte* entry, Pte& child) const override {
    FrameDescriptor& frame = frame_descriptor(read_pte(entry).pfn());
    if (needs_copy_for_pins(parent, frame)) return ForkOf::kCopy;
    __atomic_fetch_and(&frame.flags, ~FrameDescriptor::kExclusive, __ATOMIC_RELAXED);
    return ClassicalCow::fork_page(parent, linear, entry, child);
  }

  // gup_must_unshare(): pins of anonymous pages that are not exclusive; long-term pins of any other page in a
  // private area, the page of zeros included (since 6.2).
  bool must_unshare(const Vma&, Pte now, unsigned follow) const override {
    if (!(follow & kFollPin) || ro_pins_are_snapshots) return false;
    if (now.special() || !is_anonymous(frame_descriptor(now.pfn()))) return follow & kFollLongterm;
    return !is_exclusive(frame_descriptor(now.pfn()));
  }
  // can_follow_write_pte()
  bool may_write_forced(Pte now, bool) const override {
    return writable_at_once(now) && !now.has(Pte::kUffdWp) && now.has(Pte::kSoftDirty);
  }

 protected:
  bool needs_copy_for_pins(const AddressSpace& mm, const FrameDescriptor& frame) const override {
    return is_exclusive(frame) && maybe_pinned(mm, frame);
  }
  bool has_fast_reading(Pte now, unsigned follow) const override {
    if (!(follow & kFollPin) || ro_pins_are_snapshots) return true;
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) ? is_exclusive(frame) : !(follow & kFollLongterm);
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
