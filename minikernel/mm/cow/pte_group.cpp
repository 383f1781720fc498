// SPDX-License-Identifier: GPL-2.0-or-later
//
// As pte.cpp, with a hint for the last owner. Address spaces that come from one another by fork are a share
// group, and only they can have entries without EXCL for a frame of anonymous memory. When all others of the
// group are gone, what is left is the last one's own: it takes EXCL back without a copy. The hint is of the
// group, not of the page, so a child that lives on costs a copy even for pages that it has copied itself.
//
// Only in areas without a file: in a private mapping of one, an entry without EXCL may be the file's own
// page.
#include <asm/errno.h>

#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/cow/by_entry.h"

namespace mk {

struct ShareGroup {
  uint32_t live;  // address spaces
};

namespace {

class PteGroupCow final : public EntryCow {
 public:
  const char* name() const override { return "pte-group"; }

  bool may_reuse(AddressSpace& mm, const Vma& vma, Pte now, uint64_t& bits) const override {
    if (now.exclusive()) return true;
    if (!vma.anonymous() || !is_alone(mm)) return false;
    bits = Pte::kExclusive;
    return true;
  }

  long copied(AddressSpace& parent, AddressSpace& child) const override {
    if (parent.share_group == nullptr) parent.share_group = create<ShareGroup>(1u);
    if (parent.share_group == nullptr) return -ENOMEM;
    child.share_group = parent.share_group;
    __atomic_fetch_add(&child.share_group->live, 1, __ATOMIC_RELAXED);
    return 0;
  }
  void ended(AddressSpace& mm) const override {
    if (mm.share_group == nullptr) return;
    if (__atomic_fetch_sub(&mm.share_group->live, 1, __ATOMIC_ACQ_REL) == 1) destroy(mm.share_group);
    mm.share_group = nullptr;
  }

 private:
  // The others can only leave: to join one needs this address space's lock for writing, and we have it for
  // reading.
  static bool is_alone(const AddressSpace& mm) {
    return mm.share_group == nullptr || __atomic_load_n(&mm.share_group->live, __ATOMIC_ACQUIRE) == 1;
  }
};

const PteGroupCow policy;

}  // namespace

const CowPolicy& cow_pte_group = policy;

}  // namespace mk
