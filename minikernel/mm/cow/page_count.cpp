// SPDX-License-Identifier: GPL-2.0-or-later
//
// Linux 5.9 to 5.17: a write fault reuses the page only when nobody else has any reference (do_wp_page since
// 09854ba94c6a). A pin of the process itself is such a reference, too: then the process gets a copy, and its
// device goes on with the old page.
#include "mm/cow/classical.h"

namespace mk {
namespace {

class PageCountCow final : public ClassicalCow {
 public:
  const char* name() const override { return "page-count"; }
  bool marks_unpopulated() const override { return false; }  // markers came with 5.19
  bool may_reuse(AddressSpace&, const Vma&, Pte now, uint64_t&) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && references(frame) == 1 && mapped(frame) == 1;
  }

 protected:
  bool needs_copy_for_pins(const AddressSpace& mm, const FrameDescriptor& frame) const override {
    return maybe_pinned(mm, frame);
  }
};

const PageCountCow policy;

}  // namespace

const CowPolicy& cow_page_count = policy;

}  // namespace mk
