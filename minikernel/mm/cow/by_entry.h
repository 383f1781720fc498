// SPDX-License-Identifier: GPL-2.0-or-later
//
// Copy-on-write that looks at the page-table entry alone, as Linus Torvalds sketched it on 19 December 2021
// and nobody built: EXCL in the entry says that this address space has the frame for itself. No frame
// descriptor is ever looked at; how long a frame lives is told by the dense counts, which no fault reads to
// decide.
#pragma once

#include "mm/cow/cow_policy.h"

namespace mk {

class EntryCow : public CowPolicy {
 public:
  bool counts_in_descriptors() const override { return false; }
  uint64_t map_new(Pfn) const override { return Pte::kExclusive; }
  void map_file(Pfn) const override {}
  void unmap(Pte) const override {}
  bool writable_at_once(Pte now) const override { return now.exclusive(); }
  bool owns(Pte now) const override { return now.exclusive() && !now.has(Pte::kPin); }
  bool stays_soft_dirty(Pte now) const override { return now.has(Pte::kPinWrite); }
  // Off the fault's path: the frame's count is not touched before the fault is over.
  void drop_copied(Pfn pfn) const override { frame_put_later(pfn); }
  bool share(Pte old, Pte& parent, Pte& child) const override {
    if (!frame_get(old.pfn())) return false;
    parent = child = old.without(Pte::kWrite | Pte::kExclusive);
    return true;
  }

 protected:
  ~EntryCow() = default;
};

}  // namespace mk
