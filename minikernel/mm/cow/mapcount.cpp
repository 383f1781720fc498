// SPDX-License-Identifier: GPL-2.0-or-later
//
// Linux up to 5.7: a write fault reuses the page when no other entry maps it (reuse_swap_page,
// page_mapcount). References that are no entries do not count: who holds one sees later writes of a process
// it has nothing to do with (CVE-2020-29374).
#include "mm/cow/classical.h"

namespace mk {
namespace {

class MapcountCow final : public ClassicalCow {
 public:
  const char* name() const override { return "mapcount"; }
  bool marks_unpopulated() const override { return false; }  // markers came with 5.19
  bool may_reuse(AddressSpace&, const Vma&, Pte now, uint64_t&) const override {
    const FrameDescriptor& frame = frame_descriptor(now.pfn());
    return is_anonymous(frame) && mapped(frame) == 1;
  }
  bool stays_soft_dirty(Pte*, Pte&) const override { return false; }  // there were no pins
};

const MapcountCow policy;

}  // namespace

const CowPolicy& cow_mapcount = policy;

}  // namespace mk
