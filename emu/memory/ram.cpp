// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/ram.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace mmuscope {

bool Ram::possible(uint64_t bytes) {
  constexpr uint64_t kGranule = 2u << 20, kMinimum = 16u << 20, kMaximum = uint64_t{64} << 30;
  return bytes >= kMinimum && bytes <= kMaximum && bytes % kGranule == 0;
}

Expected<Ram> Ram::create(uint64_t bytes) {
  if (!possible(bytes))
    return fail(ErrorKind::kUsage,
                fmt::format("memory of {} bytes: give a multiple of 2 MiB from 16M to 64G", bytes));
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return fail(ErrorKind::kHost,
                fmt::format("the host has no {} MiB of memory for the machine", bytes >> 20));
  Ram ram;
  ram.memory_ = static_cast<uint8_t*>(memory);
  ram.size_ = bytes;
  const uint64_t low = std::min(bytes, kLowLimit);
  ram.regions_.push_back({.start = 0, .bytes = low, .host = ram.memory_});
  if (bytes > low)
    ram.regions_.push_back({.start = kHighStart, .bytes = bytes - low, .host = ram.memory_ + low});
  ram.dirty_.assign((ram.page_count() + 63) / 64, 0);
  return ram;
}

Ram::Ram(Ram&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      regions_(std::move(other.regions_)),
      dirty_(std::move(other.dirty_)) {}

Ram::~Ram() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

uint8_t* Ram::host(x86::PhysicalAddress address) const {
  for (const Region& region : regions_)
    if (address - region.start < region.bytes) return region.host + (address - region.start);
  return nullptr;
}

bool Ram::contains(x86::PhysicalAddress start, uint64_t bytes) const {
  return std::any_of(regions_.begin(), regions_.end(), [&](const Region& region) {
    const uint64_t offset = start - region.start;
    return offset < region.bytes && bytes <= region.bytes - offset;
  });
}

uint64_t Ram::page_index(x86::PhysicalAddress address) const {
  const uint8_t* at = host(address);
  EMU_CHECK(at != nullptr, fmt::format("physical address 0x{:x} is not RAM", address));
  return static_cast<uint64_t>(at - memory_) / x86::kPageSize;
}

x86::PhysicalAddress Ram::page_address(uint64_t index) const {
  const uint64_t offset = index * x86::kPageSize;
  return offset < regions_[0].bytes ? offset : kHighStart + (offset - regions_[0].bytes);
}

void Ram::write(x86::PhysicalAddress address, std::span<const uint8_t> bytes) {
  EMU_CHECK(contains(address, bytes.size()), "a write within RAM");
  if (bytes.empty()) return;
  std::memcpy(host(address), bytes.data(), bytes.size());
  for (uint64_t page = address & x86::kPageMask; page < address + bytes.size(); page += x86::kPageSize)
    mark_dirty(page);
}

void Ram::mark_dirty(x86::PhysicalAddress address) {
  const uint64_t index = page_index(address);
  dirty_[index / 64] |= uint64_t{1} << (index % 64);
}

bool Ram::is_dirty(x86::PhysicalAddress address) const {
  const uint64_t index = page_index(address);
  return (dirty_[index / 64] >> (index % 64)) & 1;
}

std::vector<uint64_t> Ram::take_dirty() {
  std::vector<uint64_t> pages;
  for (uint64_t word = 0; word < dirty_.size(); ++word) {
    for (uint64_t bits = std::exchange(dirty_[word], 0); bits != 0; bits &= bits - 1)
      pages.push_back(word * 64 + static_cast<unsigned>(std::countr_zero(bits)));
  }
  return pages;
}

void Ram::save(StateWriter& writer) const {
  writer.tag("ram ");
  writer.put(size_);
  static constexpr uint8_t kZeros[x86::kPageSize] = {};
  for (uint64_t page = 0; page < page_count(); ++page) {
    const uint8_t* bytes = memory_ + page * x86::kPageSize;
    if (std::memcmp(bytes, kZeros, x86::kPageSize) == 0) continue;
    writer.put(page);
    writer.put_bytes({bytes, x86::kPageSize});
  }
  writer.put(~uint64_t{0});
}

void Ram::restore(StateReader& reader) {
  reader.expect_tag("ram ");
  if (reader.get<uint64_t>() != size_) return reader.fail("the snapshot has another memory size");
  EMU_CHECK(madvise(memory_, size_, MADV_DONTNEED) == 0, "fresh zero pages for the RAM");
  while (reader.ok()) {
    const auto page = reader.get<uint64_t>();
    if (page == ~uint64_t{0}) break;
    const std::vector<uint8_t> bytes = reader.get_bytes();
    if (page >= page_count() || bytes.size() != x86::kPageSize)
      return reader.fail("the snapshot's memory is damaged");
    std::memcpy(memory_ + page * x86::kPageSize, bytes.data(), bytes.size());
  }
  dirty_.assign(dirty_.size(), ~uint64_t{0});
  if (const uint64_t spare = page_count() % 64) dirty_.back() = (uint64_t{1} << spare) - 1;
}

}  // namespace mmuscope
