// SPDX-License-Identifier: GPL-2.0-or-later
//
// A second opinion on page walks, for tests only: SDM vol. 3, 4.5 to 4.8 as a list of rules over the whole
// path, each either broken or not, from which the outcome is picked afterwards (after kvm-unit-tests'
// access.c). It shares neither code, nor constants, nor structure with page_walk.cpp, which decides while it
// walks: keep it so.
#pragma once

#include <array>
#include <cstdint>

#include "x86/page_fault.h"

namespace mmuscope::x86::oracle {

// A path through the paging structures and an access along it. Entries below the one that maps the page are
// not part of the path and must not be looked at.
struct Case {
  unsigned levels = 4;
  std::array<uint64_t, 6> entry{};  // by level: [5] PML5E .. [1] PTE
  uint64_t linear = 0;
  bool write = false, fetch = false, user = false, implicit = false;
  unsigned maxphyaddr = 40;
  bool wp = false, smep = false, smap = false, pke = false, nxe = false, pages_1g = true, ac = false,
       pge = false;
  uint32_t pkru = 0;
};

// Reasons as bits, 1 << FaultReason.
using Reasons = uint32_t;
constexpr Reasons one(FaultReason reason) { return Reasons{1} << static_cast<unsigned>(reason); }

struct Answer {
  Reasons broken = 0;  // every reason that may be given for the fault; none: the access is allowed
  uint32_t error_code = 0;
  unsigned mapping_level = 1;           // of the entry that maps the page (no fault)
  std::array<unsigned, 10> level_of{};  // for each broken reason: the level it is blamed on
  uint64_t physical = 0;
  bool writable = false, user_page = false, executable = false, global = false, dirty = false;
  unsigned key = 0;
  std::array<uint64_t, 6> entry_after{};
};

Answer judge(const Case& c);

}  // namespace mmuscope::x86::oracle
