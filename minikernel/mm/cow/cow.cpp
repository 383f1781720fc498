// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/string.h"
#include "mm/cow/cow_policy.h"

namespace mk {
namespace {

const CowPolicy* chosen;

}  // namespace

const CowPolicy& cow() { return *chosen; }
bool ro_pins_are_snapshots;

bool choose_cow_policy(const char* name) {
  const CowPolicy* const policies[] = {&cow_mapcount,       &cow_page_count, &cow_unshare_mapcount,
                                       &cow_anon_exclusive, &cow_pte,        &cow_pte_group};
  for (const CowPolicy* policy : policies) {
    if (strcmp(policy->name(), name) != 0) continue;
    chosen = policy;
    return true;
  }
  return false;
}

}  // namespace mk
