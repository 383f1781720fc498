// SPDX-License-Identifier: GPL-2.0-or-later
//
// The machine's RAM, in one piece of lazily zeroed host memory. Guest-physical layout, as on a PC:
//
//   0                      .. min(size, 3 GiB)            low RAM
//   3 GiB                  .. 4 GiB                       no RAM: local APIC and nothing else
//   4 GiB                  .. 4 GiB + (size - 3 GiB)      the rest
//
// Size is a multiple of 2 MiB, 16 MiB .. 64 GiB. Pages remember that they were written since the last time
// somebody asked (dirty): whoever writes - walker, device, host, or an engine that was handed a writable page
// - marks them. An engine's stores are seen only when it is handed the page, so take_dirty() must be followed
// by taking writable pages back from the engines (machine/ does).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/state_io.h"
#include "x86/address.h"

namespace mmuscope {

class Ram {
 public:
  struct Region {
    x86::PhysicalAddress start = 0;
    uint64_t bytes = 0;
    uint8_t* host = nullptr;
  };
  static constexpr uint64_t kLowLimit = uint64_t{3} << 30;
  static constexpr uint64_t kHighStart = uint64_t{4} << 30;

  // kUsage for a size out of range, kHost when the host has no memory.
  static Expected<Ram> create(uint64_t bytes);
  static bool possible(uint64_t bytes);  // a size that create() takes, if the host does
  Ram(Ram&& other) noexcept;
  Ram& operator=(Ram&&) = delete;
  ~Ram();

  uint64_t size() const { return size_; }
  std::span<const Region> regions() const { return regions_; }

  // Host address of a guest-physical byte, or nullptr where there is no RAM. Contiguous within a page, not
  // beyond.
  uint8_t* host(x86::PhysicalAddress address) const;
  bool contains(x86::PhysicalAddress start, uint64_t bytes) const;  // wholly RAM, within one region

  // Index of the page among RAM pages (0 .. page_count()-1), for arrays that go with pages. Only for
  // addresses in RAM.
  uint64_t page_index(x86::PhysicalAddress address) const;
  x86::PhysicalAddress page_address(uint64_t index) const;
  uint64_t page_count() const { return size_ / x86::kPageSize; }

  // Copies to [address, address + bytes.size()), which is RAM within one region, and marks the pages.
  void write(x86::PhysicalAddress address, std::span<const uint8_t> bytes);
  void mark_dirty(x86::PhysicalAddress address);
  bool is_dirty(x86::PhysicalAddress address) const;
  // Indices of the pages written since the last call (or creation), ascending; clears the marks.
  std::vector<uint64_t> take_dirty();

  // Whole contents: non-zero pages only. Restoring zeroes the others.
  void save(StateWriter& writer) const;
  void restore(StateReader& reader);

 private:
  Ram() = default;
  uint8_t* memory_ = nullptr;  // owned, mmap'ed
  uint64_t size_ = 0;
  std::vector<Region> regions_;
  std::vector<uint64_t> dirty_;  // a bit a page
};

}  // namespace mmuscope
