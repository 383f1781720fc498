// SPDX-License-Identifier: GPL-2.0-or-later
//
// Page tables as they are in memory now, through debug::Target alone. The walk is x86::peek_walk, so what is
// told here is what the processor would do after a flush: TLB entries, which may still say something else,
// are not looked at. Nothing is changed: no accessed or dirty bit, no TLB entry.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "debug/target.h"
#include "x86/control_registers.h"
#include "x86/page_walk.h"

namespace mmuscope::debug {

// Physical memory for a walk that only looks.
class TargetMemory : public x86::PagingMemory {
 public:
  explicit TargetMemory(Target& target) : target_(target) {}
  uint64_t read_entry(x86::PhysicalAddress address) override;
  bool compare_exchange_entry(x86::PhysicalAddress address, uint64_t expected, uint64_t desired) override;

 private:
  Target& target_;
};

struct WalkReport {
  struct Verdict {
    x86::Access access;
    std::optional<x86::PageFault> fault;  // nothing: allowed
  };

  x86::LinearAddress linear = 0;
  x86::PagingContext context;
  bool canonical = true;                 // otherwise nothing below is there: #GP, or #SS for stack accesses
  x86::WalkTrace trace;                  // empty without paging
  std::optional<x86::Translation> page;  // nothing: no page is mapped
  std::array<Verdict, 6> verdicts{};     // user read, write, fetch; kernel read, write, fetch

  const Verdict& verdict(bool user, x86::AccessType type) const {
    return verdicts[(user ? 0 : 3) + static_cast<size_t>(type)];
  }
};

// An entry that is not empty and ends the walk: it maps a page, or is not present, or has a reserved bit set.
struct Leaf {
  x86::LinearAddress linear = 0;  // canonical; of the first byte
  uint64_t entry = 0;
  x86::PhysicalAddress entry_address = 0;
  uint8_t level = 1;
  bool reserved = false;
  bool writable = true, user = true, executable = true;  // of the whole path

  bool present() const { return entry & 1; }
  bool maps() const { return present() && !reserved; }
  uint64_t bytes() const { return uint64_t{1} << (12 + 9 * (level - 1)); }
};

// Neighbouring leaves of one level, with the same rights and the same bits, A, D and the address aside.
struct MappedRange {
  Leaf first;
  uint64_t pages = 0;                // of first.bytes() each
  uint64_t accessed = 0, dirty = 0;  // how many of them

  x86::LinearAddress last_byte() const { return first.linear + (pages * first.bytes() - 1); }
};

struct TableReport {
  x86::PagingContext context;
  std::vector<MappedRange> ranges;
  std::optional<x86::LinearAddress>
      stopped;  // too much to look at (a loop, or garbage): what lies from here on is left out
};

class Inspector {
 public:
  // `features`: those of the machine's CPUs, which the tables are read by.
  explicit Inspector(Target& target, const x86::CpuFeatures& features = {})
      : target_(target), features_(features) {}

  x86::PagingContext context(unsigned cpu) const;
  WalkReport walk(const x86::PagingContext& context, x86::LinearAddress linear) const;
  TableReport ranges(const x86::PagingContext& context, x86::LinearAddress first,
                     x86::LinearAddress last) const;

  // Every leaf that has a byte in [first, last], in order of addresses, until `visit` returns false. Returns
  // where it gave up, because it had read kMostTables tables or `visit` had enough.
  std::optional<x86::LinearAddress> for_each_leaf(const x86::PagingContext& context, x86::LinearAddress first,
                                                  x86::LinearAddress last,
                                                  const std::function<bool(const Leaf&)>& visit) const;

  // Tables may point to themselves. What a sound kernel has fits: 2^16 tables map 128 GiB in pages of 4 KiB.
  static constexpr unsigned kMostTables = 1u << 16;
  static constexpr size_t kMostRanges = 1u << 16;

 private:
  Target& target_;
  x86::CpuFeatures features_;
};

}  // namespace mmuscope::debug
