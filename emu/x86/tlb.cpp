// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/tlb.h"

#include <algorithm>

#include "base/check.h"

namespace mmuscope::x86 {
namespace {

constexpr std::array kSizes{PageSize::k4K, PageSize::k2M, PageSize::k1G};

bool maps(const TlbEntry& entry, LinearAddress linear, PageSize size) {
  return entry.page.size == size && entry.page.linear_base == page_base(linear, size);
}

}  // namespace

const char* tlb_cause_name(TlbCause cause) {
  switch (cause) {
    case TlbCause::kInvlpg:
      return "invlpg";
    case TlbCause::kMovCr3:
      return "mov-cr3";
    case TlbCause::kCr0:
      return "cr0";
    case TlbCause::kCr4:
      return "cr4";
    case TlbCause::kEfer:
      return "efer";
    case TlbCause::kInvpcidAddress:
      return "invpcid-address";
    case TlbCause::kInvpcidContext:
      return "invpcid-context";
    case TlbCause::kInvpcidAllGlobal:
      return "invpcid-all-global";
    case TlbCause::kInvpcidAll:
      return "invpcid-all";
    case TlbCause::kDirtyUpgrade:
      return "dirty-upgrade";
    case TlbCause::kPageFault:
      return "page-fault";
    case TlbCause::kReset:
      return "reset";
    case TlbCause::kDebugger:
      return "debugger";
    case TlbCause::kTaskSwitch:
      return "task-switch";
  }
  return "?";
}

// --- Looking up
// -------------------------------------------------------------------------------------------------------

// Global entries of all PCIDs share a bucket, since any of them may be used under any PCID (SDM 4.10.2.4).
size_t Tlb::bucket_of(LinearAddress page, PageSize size, uint16_t pcid, bool global) const {
  constexpr uint64_t kGolden =
      0x9e3779b97f4a7c15;  // Fibonacci hashing: the high bits of the product are well mixed
  const uint64_t tag = global ? kPcids : pcid;
  const uint64_t key = (page >> page_shift(size)) ^ (tag << 49) ^ (static_cast<uint64_t>(size) << 62);
  const uint64_t hash = key * kGolden;
  return (hash ^ (hash >> 32)) & (buckets_.size() - 1);
}

uint32_t Tlb::find_own(LinearAddress linear, PageSize size, uint16_t pcid) const {
  if (population(size, false) == 0) return kNone;
  for (uint32_t i = buckets_[bucket_of(linear, size, pcid, false)]; i != kNone; i = slots_[i].chain) {
    const TlbEntry& entry = slots_[i].entry;
    if (maps(entry, linear, size) && entry.pcid == pcid && !entry.page.global) return i;
  }
  return kNone;
}

uint32_t Tlb::find_global(LinearAddress linear, PageSize size) const {
  if (population(size, true) == 0) return kNone;
  uint32_t oldest = kNone;
  for (uint32_t i = buckets_[bucket_of(linear, size, 0, true)]; i != kNone; i = slots_[i].chain) {
    const TlbEntry& entry = slots_[i].entry;
    if (!maps(entry, linear, size) || !entry.page.global) continue;
    if (oldest == kNone || entry.serial < slots_[oldest].entry.serial) oldest = i;
  }
  return oldest;
}

uint32_t Tlb::find_global_of(LinearAddress linear, PageSize size, uint16_t pcid) const {
  if (population(size, true) == 0) return kNone;
  for (uint32_t i = buckets_[bucket_of(linear, size, 0, true)]; i != kNone; i = slots_[i].chain) {
    const TlbEntry& entry = slots_[i].entry;
    if (maps(entry, linear, size) && entry.pcid == pcid && entry.page.global) return i;
  }
  return kNone;
}

uint32_t Tlb::find(LinearAddress linear, uint16_t pcid) const {
  for (const PageSize size : kSizes) {
    if (const uint32_t i = find_own(linear, size, pcid); i != kNone) return i;
    if (const uint32_t i = find_global(linear, size); i != kNone) return i;
  }
  return kNone;
}

TlbEntry* Tlb::lookup(LinearAddress linear, uint16_t pcid) {
  const uint32_t i = find(linear, pcid);
  return i == kNone ? nullptr : &slots_[i].entry;
}

const TlbEntry* Tlb::peek(LinearAddress linear, uint16_t pcid) const {
  const uint32_t i = find(linear, pcid);
  return i == kNone ? nullptr : &slots_[i].entry;
}

size_t Tlb::size() const { return size_; }

void Tlb::for_each(const std::function<void(const TlbEntry&)>& visit) const {
  for (uint32_t i = by_age_.first; i != kNone; i = slots_[i].age.next) visit(slots_[i].entry);
}

// --- Entries come and go
// ----------------------------------------------------------------------------------------------

void Tlb::append(List& list, Links Slot::* links, uint32_t index) {
  slots_[index].*links = {.previous = list.last, .next = kNone};
  (list.last == kNone ? list.first : (slots_[list.last].*links).next) = index;
  list.last = index;
}

void Tlb::unlink(List& list, Links Slot::* links, uint32_t index) {
  const Links around = slots_[index].*links;
  (around.previous == kNone ? list.first : (slots_[around.previous].*links).next) = around.next;
  (around.next == kNone ? list.last : (slots_[around.next].*links).previous) = around.previous;
}

void Tlb::chain_in(uint32_t index) {
  const TlbEntry& entry = slots_[index].entry;
  uint32_t& bucket =
      buckets_[bucket_of(entry.page.linear_base, entry.page.size, entry.pcid, entry.page.global)];
  slots_[index].chain = bucket;
  bucket = index;
}

void Tlb::grow_buckets() {
  buckets_.assign(buckets_.size() * 2, kNone);
  for (uint32_t i = by_age_.first; i != kNone; i = slots_[i].age.next) chain_in(i);
}

// `entry` is not in yet and is the youngest.
TlbEntry& Tlb::place(const TlbEntry& entry) {
  if (size_ == buckets_.size()) grow_buckets();
  uint32_t index = free_;
  if (index == kNone) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    free_ = slots_[index].chain;
  }
  slots_[index].entry = entry;
  chain_in(index);
  append(by_age_, &Slot::age, index);
  if (!entry.page.global) append(by_pcid_[entry.pcid], &Slot::pcid, index);
  ++population(entry.page.size, entry.page.global);
  ++size_;
  return slots_[index].entry;
}

void Tlb::remove(uint32_t index) {
  const TlbEntry& entry = slots_[index].entry;
  uint32_t* link =
      &buckets_[bucket_of(entry.page.linear_base, entry.page.size, entry.pcid, entry.page.global)];
  while (*link != index) link = &slots_[*link].chain;
  *link = slots_[index].chain;
  unlink(by_age_, &Slot::age, index);
  if (!entry.page.global) unlink(by_pcid_[entry.pcid], &Slot::pcid, index);
  --population(entry.page.size, entry.page.global);
  --size_;
  slots_[index].chain = free_;
  free_ = index;
}

void Tlb::remove_and_tell(uint32_t index, const Removed& removed) {
  remove(index);
  if (removed) removed(slots_[index].entry);  // a free slot keeps its old content until it is used again
}

void Tlb::remove_by_age(std::vector<uint32_t>& leaving, const Removed& removed) {
  std::sort(leaving.begin(), leaving.end(),
            [this](uint32_t a, uint32_t b) { return slots_[a].entry.serial < slots_[b].entry.serial; });
  for (const uint32_t i : leaving) remove_and_tell(i, removed);
}

TlbEntry& Tlb::insert(const Translation& page, uint16_t pcid) {
  EMU_CHECK(pcid < kPcids, "a PCID has 12 bits");
  if (const uint32_t i = find_own(page.linear_base, page.size, pcid); i != kNone) remove(i);
  if (const uint32_t i = find_global_of(page.linear_base, page.size, pcid); i != kNone) remove(i);
  return place({.page = page, .pcid = pcid, .serial = ++inserts_});
}

// --- Invalidation: SDM 4.10.4.1
// ---------------------------------------------------------------------------------------

void Tlb::invalidate_page(LinearAddress linear, uint16_t pcid, const Removed& removed) {
  std::vector<uint32_t> leaving;  // every page size: the SDM promises that for pages cached in several
  for (const PageSize size : kSizes) {
    if (const uint32_t i = find_own(linear, size, pcid); i != kNone) leaving.push_back(i);
    if (population(size, true) == 0) continue;
    for (uint32_t i = buckets_[bucket_of(linear, size, 0, true)]; i != kNone; i = slots_[i].chain) {
      if (maps(slots_[i].entry, linear, size) && slots_[i].entry.page.global) leaving.push_back(i);
    }
  }
  remove_by_age(leaving, removed);
}

void Tlb::invalidate_address(LinearAddress linear, uint16_t pcid, const Removed& removed) {
  std::vector<uint32_t> leaving;
  for (const PageSize size : kSizes) {
    if (const uint32_t i = find_own(linear, size, pcid); i != kNone) leaving.push_back(i);
  }
  remove_by_age(leaving, removed);
}

void Tlb::flush_pcid(uint16_t pcid, const Removed& removed) {
  EMU_CHECK(pcid < kPcids, "a PCID has 12 bits");
  while (by_pcid_[pcid].first != kNone) remove_and_tell(by_pcid_[pcid].first, removed);
}

void Tlb::flush_non_global(const Removed& removed) {
  for (uint32_t i = by_age_.first; i != kNone;) {
    const uint32_t next = slots_[i].age.next;
    if (!slots_[i].entry.page.global) remove_and_tell(i, removed);
    i = next;
  }
}

void Tlb::flush_all(const Removed& removed) {
  while (by_age_.first != kNone) remove_and_tell(by_age_.first, removed);
}

// --- Snapshots
// --------------------------------------------------------------------------------------------------------

void Tlb::save(StateWriter& writer) const {
  writer.tag("TLB ");
  writer.put(inserts_);
  writer.put(static_cast<uint64_t>(size_));
  for_each([&](const TlbEntry& entry) {
    const Translation& page = entry.page;
    writer.put(page.linear_base);
    writer.put(page.physical_base);
    writer.put(page.size);
    writer.put(page.writable);
    writer.put(page.user);
    writer.put(page.executable);
    writer.put(page.global);
    writer.put(page.dirty);
    writer.put(page.key);
    writer.put(entry.pcid);
    writer.put(entry.serial);
  });
}

namespace {

bool get_flag(StateReader& reader) { return reader.get<uint8_t>() != 0; }

TlbEntry get_entry(StateReader& reader) {
  TlbEntry entry;
  Translation& page = entry.page;
  reader.get(page.linear_base);
  reader.get(page.physical_base);
  const auto size = reader.get<uint8_t>();
  if (size > static_cast<uint8_t>(PageSize::k1G)) reader.fail("TLB entry of no page size");
  if (reader.ok()) page.size = static_cast<PageSize>(size);
  page.writable = get_flag(reader);
  page.user = get_flag(reader);
  page.executable = get_flag(reader);
  page.global = get_flag(reader);
  page.dirty = get_flag(reader);
  reader.get(page.key);
  reader.get(entry.pcid);
  reader.get(entry.serial);
  return entry;
}

}  // namespace

// A snapshot comes from a file, so nothing in it is believed: what could not have been saved is refused.
void Tlb::restore(StateReader& reader) {
  *this = Tlb();
  reader.expect_tag("TLB ");
  const auto inserts = reader.get<uint64_t>();
  const auto count = reader.get<uint64_t>();
  for (uint64_t i = 0, last_serial = 0; i < count && reader.ok(); ++i) {
    const TlbEntry entry = get_entry(reader);
    const Translation& page = entry.page;
    const bool possible = entry.pcid < kPcids && page.key < 16 && entry.serial > last_serial &&
                          entry.serial <= inserts &&
                          page_base(page.linear_base, page.size) == page.linear_base &&
                          page_base(page.physical_base, page.size) == page.physical_base &&
                          find_own(page.linear_base, page.size, entry.pcid) == kNone &&
                          find_global_of(page.linear_base, page.size, entry.pcid) == kNone;
    if (!possible) reader.fail("impossible TLB entry");
    if (!reader.ok()) break;
    place(entry);
    last_serial = entry.serial;
  }
  inserts_ = inserts;
}

}  // namespace mmuscope::x86
