// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/inspector.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

constexpr unsigned kEntries = 512;

class TableVisitor {
 public:
  TableVisitor(Target& target, const x86::PagingContext& context, x86::LinearAddress first,
               x86::LinearAddress last, const std::function<bool(const Leaf&)>& visit)
      : target_(target), context_(context), first_(first), last_(last), visit_(visit) {}

  std::optional<x86::LinearAddress> run() {
    const uint8_t top = context_.la57 ? 5 : 4;
    Leaf root{.level = top};
    table(context_.cr3 & x86::pte::address_mask(context_.physical_address_bits), root);
    return stopped_;
  }

 private:
  // `path`: the level of the table, the address of its first byte, and the rights that lead to it.
  void table(x86::PhysicalAddress physical, const Leaf& path) {
    if (++tables_ > Inspector::kMostTables) return stop(path.linear);
    uint64_t entries[kEntries];
    std::memset(entries, 0xff, sizeof entries);  // where there is no memory: PagingMemory
    target_.read_physical(physical, {reinterpret_cast<uint8_t*>(entries), sizeof entries});
    for (unsigned i = 0; i < kEntries && !stopped_; ++i) {
      if (entries[i] != 0) entry(entries[i], physical + 8 * i, path, i);
    }
  }

  void entry(uint64_t value, x86::PhysicalAddress address, const Leaf& path, unsigned index) {
    Leaf leaf = path;
    leaf.linear = path.linear + index * path.bytes();
    if (path.level == (context_.la57 ? 5 : 4) && index >= kEntries / 2)
      leaf.linear |= ~(256 * path.bytes() - 1);
    if (leaf.linear > last_ || leaf.linear + (leaf.bytes() - 1) < first_) return;
    leaf.entry = value;
    leaf.entry_address = address;
    if (leaf.present()) {
      leaf.reserved = (value & x86::reserved_bits(value, leaf.level, context_)) != 0;
      leaf.writable = path.writable && (value & x86::pte::kWritable);
      leaf.user = path.user && (value & x86::pte::kUser);
      leaf.executable = path.executable && !(value & x86::pte::kExecuteDisable);
      if (!leaf.reserved && !x86::maps_page(value, leaf.level)) {
        --leaf.level;
        return table(value & x86::pte::address_mask(context_.physical_address_bits), leaf);
      }
    }
    if (!visit_(leaf)) stop(leaf.linear);
  }

  void stop(x86::LinearAddress where) {
    if (!stopped_) stopped_ = where;
  }

  Target& target_;
  const x86::PagingContext& context_;
  const x86::LinearAddress first_, last_;
  const std::function<bool(const Leaf&)>& visit_;
  unsigned tables_ = 0;
  std::optional<x86::LinearAddress> stopped_;
};

// Bits that do not keep leaves apart.
constexpr uint64_t kEachItsOwn = x86::pte::kAddressMask52 | x86::pte::kAccessed | x86::pte::kDirty;

bool continues(const MappedRange& range, const Leaf& next) {
  const Leaf& first = range.first;
  if (first.level != next.level || first.reserved != next.reserved || range.last_byte() + 1 != next.linear)
    return false;
  if (first.reserved) return true;  // garbage is told apart by nothing
  return (first.entry & ~kEachItsOwn) == (next.entry & ~kEachItsOwn) && first.writable == next.writable &&
         first.user == next.user && first.executable == next.executable;
}

}  // namespace

uint64_t TargetMemory::read_entry(x86::PhysicalAddress address) {
  uint64_t entry = 0;
  if (target_.read_physical(address, {reinterpret_cast<uint8_t*>(&entry), sizeof entry}) < sizeof entry)
    return ~uint64_t{0};
  return entry;
}

bool TargetMemory::compare_exchange_entry(x86::PhysicalAddress, uint64_t, uint64_t) {
  EMU_CHECK(false, "an inspection wants to change a page table");
}

x86::PagingContext Inspector::context(unsigned cpu) const {
  return x86::PagingContext::of(target_.state(cpu), features_);
}

WalkReport Inspector::walk(const x86::PagingContext& context, x86::LinearAddress linear) const {
  WalkReport report{.linear = linear, .context = context};
  report.canonical = x86::is_canonical(linear, context.la57);
  if (!report.canonical) return report;
  TargetMemory memory(target_);
  // What no right can refuse: a supervisor's read without SMAP and keys.
  x86::PagingContext free = context;
  free.smap = free.pke = false;
  if (const auto page = x86::peek_walk(free, {.linear = linear}, memory, &report.trace)) report.page = *page;
  for (size_t i = 0; i < report.verdicts.size(); ++i) {
    WalkReport::Verdict& verdict = report.verdicts[i];
    verdict.access = {.linear = linear, .type = static_cast<x86::AccessType>(i % 3), .user = i < 3};
    if (const auto page = x86::peek_walk(context, verdict.access, memory); !page)
      verdict.fault = page.error();
  }
  return report;
}

std::optional<x86::LinearAddress> Inspector::for_each_leaf(
    const x86::PagingContext& context, x86::LinearAddress first, x86::LinearAddress last,
    const std::function<bool(const Leaf&)>& visit) const {
  if (!context.paging) return {};
  return TableVisitor(target_, context, first, last, visit).run();
}

TableReport Inspector::ranges(const x86::PagingContext& context, x86::LinearAddress first,
                              x86::LinearAddress last) const {
  TableReport report{.context = context};
  report.stopped = for_each_leaf(context, first, last, [&](const Leaf& leaf) {
    auto& ranges = report.ranges;
    if (ranges.empty() || !continues(ranges.back(), leaf)) {
      if (ranges.size() == kMostRanges) return false;
      ranges.push_back({.first = leaf});
    }
    MappedRange& range = ranges.back();
    ++range.pages;
    range.accessed += (leaf.entry & x86::pte::kAccessed) != 0;
    range.dirty += (leaf.entry & x86::pte::kDirty) != 0;
    return true;
  });
  return report;
}

}  // namespace mmuscope::debug
