// SPDX-License-Identifier: GPL-2.0-or-later
//
// The patch series of December 2021 (mm: support GUP-triggered unsharing via FAULT_FLAG_UNSHARE): a write
// fault decides by page_mapcount again, and whoever wants a read-only reference to a shared anonymous page
// gets a copy first.
#include "mm/cow/classical.h"

namespace mk {
namespace {

class UnshareMapcountCow final : public ClassicalCow {
 public:
  const char* name() const override { return "unshare-mapcount"; }
  bool marks_unpopulated() const override { return false; }  // markers came with 5.19
  bool may_reuse(AddressSpace&, const Vma&, Pte now, uint64_t&) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && mapped(frame) == 1;
  }
  // Of anonymous pages that others map, too.
  bool must_unshare(const Vma&, Pte now, unsigned) const override {
    if (now.special() || ro_pins_are_snapshots) return false;
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && mapped(frame) > 1;
  }

 protected:
  bool needs_copy_for_pins(const AddressSpace& mm, const FrameDescriptor& frame) const override {
    return maybe_pinned(mm, frame);
  }
  bool has_fast_reading(Pte now, unsigned) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return ro_pins_are_snapshots || !is_anonymous(frame) || mapped(frame) == 1;
  }
};

const UnshareMapcountCow policy;

}  // namespace

const CowPolicy& cow_unshare_mapcount = policy;

}  // namespace mk
