// SPDX-License-Identifier: GPL-2.0-or-later
//
// The architectural TLB of one logical processor: SDM vol. 3, 4.10. Entries keep their page size (never splintered),
// are tagged with PCID and global, and stay until something architectural removes them - the most stale a real TLB may
// be, which is what makes missing flushes visible. No paging-structure caches. Entries come only from successful
// walks. Iteration order is deterministic (by insertion), so that traces are.
//
// Lookup honours: same PCID or global (4.10.2.4). Overlapping entries of different sizes may coexist after a kernel
// changed page size without a flush; the smallest page wins, which is one of the behaviours SDM allows.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/state_io.h"
#include "x86/address.h"
#include "x86/page_walk.h"

namespace mmuscope::x86 {

struct TlbEntry {
  Translation page;
  uint16_t pcid = 0;
  bool fetched = false;   // used for an instruction fetch since it was inserted
  uint64_t serial = 0;    // counts inserts of this TLB from 1
  bool operator==(const TlbEntry&) const = default;
};

// Why an entry left, or a flush happened.
enum class TlbCause : uint8_t {
  kInvlpg = 1, kMovCr3 = 2, kCr0 = 3, kCr4 = 4, kEfer = 5,
  kInvpcidAddress = 6, kInvpcidContext = 7, kInvpcidAllGlobal = 8, kInvpcidAll = 9,
  kDirtyUpgrade = 10,   // a write through an entry with D=0: walked again, the entry replaced (4.10.2.3 / 4.8)
  kSpuriousFault = 11,  // a denied hit: the entries for the address are dropped and the tables walked (4.10.4.1: #PF)
  kReset = 12, kDebugger = 13, kTaskSwitch = 14,
};
const char* tlb_cause_name(TlbCause cause);  // "invlpg", "mov-cr3", ...

enum class InvpcidType : uint8_t { kAddress = 0, kContext = 1, kAllIncludingGlobal = 2, kAllNonGlobal = 3 };

class Tlb {
 public:
  // Called for each entry that leaves, before the operation returns.
  using Removed = std::function<void(const TlbEntry&)>;

  // The entry that translates `linear` under `pcid`, or nullptr. Does not judge rights. Valid until the next change.
  TlbEntry* lookup(LinearAddress linear, uint16_t pcid);
  const TlbEntry* peek(LinearAddress linear, uint16_t pcid) const;

  // Replaces an entry of the same page, size and PCID. Returns the entry as kept (serial set).
  TlbEntry& insert(const Translation& page, uint16_t pcid);

  // INVLPG and #PF: entries for the page of `linear` with `pcid`, and global ones of any PCID (4.10.4.1).
  void invalidate_page(LinearAddress linear, uint16_t pcid, const Removed& removed);
  // INVPCID type 0: as above but globals stay.
  void invalidate_address(LinearAddress linear, uint16_t pcid, const Removed& removed);
  // MOV CR3, INVPCID type 1: non-global entries of `pcid`.
  void flush_pcid(uint16_t pcid, const Removed& removed);
  // INVPCID type 3.
  void flush_non_global(const Removed& removed);
  // INVPCID type 2, CR4 changes, reset.
  void flush_all(const Removed& removed);

  size_t size() const;
  void for_each(const std::function<void(const TlbEntry&)>& visit) const;  // in order of serial

  void save(StateWriter& writer) const;
  void restore(StateReader& reader);

 private:
  // The implementer chooses the private part; lookups must take tens of nanoseconds with thousands of entries.
};

}  // namespace mmuscope::x86
