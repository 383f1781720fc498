// SPDX-License-Identifier: GPL-2.0-or-later
//
// Addresses as the Intel manual names them: linear (after segmentation, before paging) and physical. Plain
// integers: the two are never mixed in one expression, and names say which is which. Canonical: SDM vol.
// 1, 3.3.7.1: bits 63..(width-1) are equal, width 48 with 4-level paging, 57 with 5-level.
#pragma once

#include <cstdint>

namespace mmuscope::x86 {

using LinearAddress = uint64_t;
using PhysicalAddress = uint64_t;

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kPageMask = ~(kPageSize - 1);

enum class PageSize : uint8_t { k4K = 0, k2M = 1, k1G = 2 };

constexpr unsigned page_shift(PageSize size) { return 12 + 9 * static_cast<unsigned>(size); }
constexpr uint64_t page_bytes(PageSize size) { return uint64_t{1} << page_shift(size); }
constexpr uint64_t page_base(uint64_t address, PageSize size) { return address & ~(page_bytes(size) - 1); }

constexpr bool is_canonical(LinearAddress address, bool la57) {
  const unsigned shift = la57 ? 64 - 57 : 64 - 48;
  return static_cast<uint64_t>(static_cast<int64_t>(address << shift) >> shift) == address;
}

}  // namespace mmuscope::x86
