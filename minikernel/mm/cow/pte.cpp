// SPDX-License-Identifier: GPL-2.0-or-later
//
// The default: a write fault reuses the page when its entry has EXCL, and copies it when not. What that
// costs: the last one who shares a page does not know it, and copies once more.
#include "mm/cow/by_entry.h"

namespace mk {
namespace {

class PteCow final : public EntryCow {
 public:
  const char* name() const override { return "pte"; }
  bool may_reuse(AddressSpace&, const Vma&, Pte now, uint64_t&) const override { return now.exclusive(); }
};

const PteCow policy;

}  // namespace

const CowPolicy& cow_pte = policy;

}  // namespace mk
