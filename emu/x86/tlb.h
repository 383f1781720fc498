// SPDX-License-Identifier: GPL-2.0-or-later
//
// The architectural TLB of one logical processor: SDM vol. 3, 4.10. Entries keep their page size (never
// splintered), are tagged with PCID and global, and stay until something architectural removes them - the
// most stale a real TLB may be, which is what makes missing flushes visible. No paging-structure caches.
// Entries come only from successful walks. Iteration order is deterministic (by insertion), so that traces
// are.
//
// Lookup honours: same PCID or global (4.10.2.4). Overlapping entries of different sizes may coexist after a
// kernel changed page size without a flush; the smallest page wins, which is one of the behaviours SDM
// allows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/state_io.h"
#include "x86/address.h"
#include "x86/page_walk.h"

namespace mmuscope::x86 {

struct TlbEntry {
  Translation page;
  uint16_t pcid = 0;
  uint64_t serial = 0;  // counts inserts of this TLB from 1
  bool operator==(const TlbEntry&) const = default;
};

// Why an entry left, or a flush happened.
enum class TlbCause : uint8_t {
  kInvlpg = 1,
  kMovCr3 = 2,
  kCr0 = 3,
  kCr4 = 4,
  kEfer = 5,
  kInvpcidAddress = 6,
  kInvpcidContext = 7,
  kInvpcidAllGlobal = 8,
  kInvpcidAll = 9,
  kDirtyUpgrade = 10,  // a write through an entry with D=0: walked again, the entry replaced (4.10.2.3 / 4.8)
  kPageFault =
      11,  // a denied hit, spurious or not: the address's entries are dropped, the tables walked (4.10.4.1)
  kReset = 12,
  kDebugger = 13,
  kTaskSwitch = 14,
};
const char* tlb_cause_name(TlbCause cause);  // "invlpg", "mov-cr3", ...

class Tlb {
 public:
  // Called for each entry that leaves, oldest first, before the operation returns. Must not call this TLB.
  // May be empty.
  using Removed = std::function<void(const TlbEntry&)>;

  // The entry that translates `linear` under `pcid`, or nullptr. Does not judge rights. Valid until the next
  // change. Of several in one page size: the PCID's own non-global one, else the oldest global one.
  TlbEntry* lookup(LinearAddress linear, uint16_t pcid);
  const TlbEntry* peek(LinearAddress linear, uint16_t pcid) const;

  // Replaces an entry of the same page, size and PCID (global or not), silently. Returns the entry as kept
  // (serial set).
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
  // Entries live in slots that link to each other by number: one chain per hash bucket, one list of all by
  // age, one list by age of the non-global entries of each PCID, so that a flush touches only what it removes
  // (the global entries it must step over apart).
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kPcids = 4096;
  struct Links {
    uint32_t previous = kNone, next = kNone;
  };
  struct Slot {
    TlbEntry entry;
    uint32_t chain = kNone;  // next in the hash bucket, or next free slot
    Links age;
    Links pcid;
  };
  struct List {
    uint32_t first = kNone, last = kNone;
  };

  size_t bucket_of(LinearAddress page, PageSize size, uint16_t pcid, bool global) const;
  uint32_t find_own(LinearAddress linear, PageSize size, uint16_t pcid) const;
  uint32_t find_global(LinearAddress linear, PageSize size) const;
  uint32_t find_global_of(LinearAddress linear, PageSize size, uint16_t pcid) const;
  uint32_t find(LinearAddress linear, uint16_t pcid) const;
  uint32_t& population(PageSize size, bool global) { return population_[static_cast<size_t>(size)][global]; }
  uint32_t population(PageSize size, bool global) const {
    return population_[static_cast<size_t>(size)][global];
  }

  TlbEntry& place(const TlbEntry& entry);
  void chain_in(uint32_t index);
  void grow_buckets();
  void append(List& list, Links Slot::* links, uint32_t index);
  void unlink(List& list, Links Slot::* links, uint32_t index);
  void remove(uint32_t index);
  void remove_and_tell(uint32_t index, const Removed& removed);
  void remove_by_age(std::vector<uint32_t>& leaving, const Removed& removed);

  std::vector<Slot> slots_;
  uint32_t free_ = kNone;
  std::vector<uint32_t> buckets_ = std::vector<uint32_t>(64, kNone);  // a power of two
  List by_age_;
  std::vector<List> by_pcid_ = std::vector<List>(kPcids);
  std::array<std::array<uint32_t, 2>, 3> population_{};  // entries by page size and by global
  size_t size_ = 0;
  uint64_t inserts_ = 0;
};

}  // namespace mmuscope::x86
