// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bits of a paging-structure entry, as in SDM vol. 3, tables 4-14 to 4-20 (4-level and 5-level paging):
//
//   63   62..59  58..52   51..M     M-1..12   11..9    8   7      6   5   4    3    2    1    0
//   XD   key(1)  ignored  reserved  address   ignored  G   PS/PAT D   A   PCD  PWT  U/S  R/W  P
//
// (1) protection key in the entry that maps a page, when CR4.PKE=1; ignored otherwise.
// M is MAXPHYADDR. XD is reserved when EFER.NXE=0. PS is reserved in a PML5E and a PML4E, and in a PDPTE when
// 1-GByte pages are not offered. In an entry that maps a 2-MByte page bits 20..13 are reserved (12 is PAT), a
// 1-GByte page 29..13.
#pragma once

#include <cstdint>

namespace mmuscope::x86::pte {

inline constexpr uint64_t kPresent = 1u << 0, kWritable = 1u << 1, kUser = 1u << 2, kWriteThrough = 1u << 3,
                          kCacheDisable = 1u << 4, kAccessed = 1u << 5, kDirty = 1u << 6, kPageSize = 1u << 7,
                          kGlobal = 1u << 8, kExecuteDisable = uint64_t{1} << 63;
inline constexpr unsigned kKeyShift = 59;
inline constexpr uint64_t kAddressMask52 = 0x000f'ffff'ffff'f000;

constexpr unsigned protection_key(uint64_t entry) { return (entry >> kKeyShift) & 0xf; }
constexpr uint64_t address_mask(unsigned physical_address_bits) {
  return ((uint64_t{1} << physical_address_bits) - 1) & kAddressMask52;
}

// Levels as they are counted here: 5 PML5E, 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE.
constexpr const char* level_name(unsigned level) {
  constexpr const char* kNames[] = {"", "pt", "pd", "pdpt", "pml4", "pml5"};
  return level < 6 ? kNames[level] : "?";
}
constexpr unsigned index_of(uint64_t linear, unsigned level) {
  return (linear >> (12 + 9 * (level - 1))) & 0x1ff;
}

}  // namespace mmuscope::x86::pte
