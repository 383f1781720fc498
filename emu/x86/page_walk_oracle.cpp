// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/page_walk_oracle.h"

namespace mmuscope::x86::oracle {
namespace {

bool bit(uint64_t value, unsigned number) { return (value >> number) % 2 == 1; }

// Where the path ends if nothing above is wrong.
unsigned mapping_level(const Case& c) {
  if (bit(c.entry[3], 7)) return 3;
  if (bit(c.entry[2], 7)) return 2;
  return 1;
}

// --- What must be zero (tables 4-14 to 4-20)
// --------------------------------------------------------------------------

struct MustBeZero {
  unsigned level;  // of the entries meant; 0: all
  bool only_with_ps;
  unsigned low, high;
  bool applies;
};

bool reserved_bit_set(const Case& c, unsigned level) {
  const MustBeZero rules[] = {
      {0, false, c.maxphyaddr, 51, true},  // addresses the processor does not have
      {0, false, 63, 63, !c.nxe},          // XD
      {5, false, 7, 7, true},              // PS in a PML5E
      {4, false, 7, 7, true},              // PS in a PML4E
      {3, true, 7, 7, !c.pages_1g},        // PS in a PDPTE
      {3, true, 13, 29, true},             // 1-GByte page, aligned
      {2, true, 13, 20, true},             // 2-MByte page, aligned
  };
  const uint64_t entry = c.entry[level];
  for (const MustBeZero& rule : rules) {
    if (!rule.applies || (rule.level != 0 && rule.level != level) || (rule.only_with_ps && !bit(entry, 7)))
      continue;
    for (unsigned number = rule.low; number <= rule.high; ++number) {
      if (bit(entry, number)) return true;
    }
  }
  return false;
}

// --- Rights (4.6.1, 4.6.2), in the manual's own order: by mode and kind of access
// -------------------------------------

struct Page {
  bool user = true, writable = true, executable = true;
  bool key_allows_read = true, key_allows_write = true;
};

Page rights_of(const Case& c) {
  Page page;
  for (unsigned level = mapping_level(c); level <= c.levels; ++level) {
    if (!bit(c.entry[level], 1)) page.writable = false;
    if (!bit(c.entry[level], 2)) page.user = false;
    if (bit(c.entry[level], 63)) page.executable = false;
  }
  const unsigned key = (c.entry[mapping_level(c)] >> 59) % 16;
  if (page.user && c.pke) {
    const bool access_disable = bit(c.pkru, 2 * key), write_disable = bit(c.pkru, 2 * key + 1);
    page.key_allows_read = !access_disable;
    page.key_allows_write = !access_disable && !(write_disable && (c.user || c.wp));
  }
  return page;
}

Reasons key_reasons(const Case& c, const Page& page) {
  if (!page.key_allows_read) return one(FaultReason::kProtectionKeyRead);
  if (c.write && !page.key_allows_write) return one(FaultReason::kProtectionKeyWrite);
  return 0;
}

Reasons supervisor_reasons(const Case& c, const Page& page) {
  Reasons broken = 0;
  if (c.fetch) {
    if (page.user && c.smep) broken |= one(FaultReason::kSmep);
    if (!page.executable) broken |= one(FaultReason::kExecuteDisable);
    return broken;
  }
  if (page.user) {
    const bool lifted = c.ac && !c.implicit;
    if (c.smap && !lifted) broken |= one(FaultReason::kSmap);
    broken |= key_reasons(c, page);
  }
  if (c.write && c.wp && !page.writable) broken |= one(FaultReason::kWriteProtected);
  return broken;
}

Reasons user_reasons(const Case& c, const Page& page) {
  Reasons broken = 0;
  if (!page.user) broken |= one(FaultReason::kSupervisorPage);
  if (c.fetch && !page.executable) broken |= one(FaultReason::kExecuteDisable);
  if (c.write && !page.writable) broken |= one(FaultReason::kWriteProtected);
  if (!c.fetch && page.user) broken |= key_reasons(c, page);
  return broken;
}

// The uppermost entry with the attribute at fault; where all of them together are, the one that maps the
// page.
unsigned blamed(const Case& c, FaultReason reason) {
  unsigned found = mapping_level(c);
  for (unsigned level = mapping_level(c); level <= c.levels; ++level) {
    const uint64_t entry = c.entry[level];
    const bool guilty = (reason == FaultReason::kWriteProtected && !bit(entry, 1)) ||
                        (reason == FaultReason::kSupervisorPage && !bit(entry, 2)) ||
                        (reason == FaultReason::kExecuteDisable && bit(entry, 63));
    if (guilty) found = level;
  }
  return found;
}

// --- Picking the outcome
// ----------------------------------------------------------------------------------------------

// The first entry on the way down that is absent or malformed; absent comes first within an entry (4.7).
bool find_broken_entry(const Case& c, Answer& answer) {
  for (unsigned level = c.levels; level >= mapping_level(c); --level) {
    const bool absent = !bit(c.entry[level], 0);
    if (!absent && !reserved_bit_set(c, level)) continue;
    const FaultReason reason = absent ? FaultReason::kNotPresent : FaultReason::kReservedBit;
    answer.broken = one(reason);
    answer.level_of[static_cast<unsigned>(reason)] = level;
    return true;
  }
  return false;
}

// Figure 4-12, bit by bit, each from its own definition.
uint32_t error_code(const Case& c, Reasons broken) {
  const Reasons by_key = one(FaultReason::kProtectionKeyRead) | one(FaultReason::kProtectionKeyWrite);
  const bool present = !(broken & one(FaultReason::kNotPresent));
  const bool reserved = broken & one(FaultReason::kReservedBit);
  const bool fetch = c.fetch && (c.nxe || c.smep);
  const bool key = broken & by_key;
  return present * 1u + c.write * 2u + c.user * 4u + reserved * 8u + fetch * 16u + key * 32u;
}

void describe_page(const Case& c, const Page& page, Answer& answer) {
  const unsigned level = mapping_level(c);
  const unsigned offset_bits = 12 + (level - 1) * 9;
  const uint64_t frame = (c.entry[level] % (uint64_t{1} << c.maxphyaddr)) >> offset_bits;
  answer.mapping_level = level;
  answer.physical = (frame << offset_bits) + c.linear % (uint64_t{1} << offset_bits);
  answer.writable = page.writable;
  answer.user_page = page.user;
  answer.executable = page.executable;
  answer.global = c.pge && bit(c.entry[level], 8);
  answer.dirty = c.write || bit(c.entry[level], 6);
  answer.key = (c.entry[level] >> 59) % 16;
  for (unsigned used = level; used <= c.levels; ++used) answer.entry_after[used] |= 1u << 5;
  if (c.write) answer.entry_after[level] |= 1u << 6;
}

}  // namespace

Answer judge(const Case& c) {
  Answer answer;
  answer.entry_after = c.entry;
  if (!find_broken_entry(c, answer)) {
    const Page page = rights_of(c);
    answer.broken = c.user ? user_reasons(c, page) : supervisor_reasons(c, page);
    for (unsigned reason = 0; reason < answer.level_of.size(); ++reason) {
      if (answer.broken >> reason & 1) answer.level_of[reason] = blamed(c, static_cast<FaultReason>(reason));
    }
    if (!answer.broken) describe_page(c, page, answer);
  }
  if (answer.broken) answer.error_code = error_code(c, answer.broken);
  return answer;
}

}  // namespace mmuscope::x86::oracle
