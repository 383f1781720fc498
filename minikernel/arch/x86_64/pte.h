// SPDX-License-Identifier: GPL-2.0-or-later
//
// A page-table entry: SDM Vol. 3, 4.5, with the software bits of ARCHITECTURE.md, "Entries".
//
//   63   XD               execute disable
//   62-59 protection key
//   55   FILE             the page of a file's cache, not a copy of it
//   54   PIN_WRITE        a pin may write
//   53   PIN              maybe pinned
//   52   EXCL             this entry owns the frame outright
//   51-12 frame
//   11   SOFT_DIRTY       10 UFFD_WP       9 SPECIAL (no reference to the frame is held: zero page, PFN
//   mappings) 8 G  7 PS/PAT  6 D  5 A  4 PCD  3 PWT  2 U  1 W  0 P
//
// Pte is a value; entries in tables are stored by set_pte (page_table.h) and by the processor only.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

class Pte {
 public:
  static constexpr uint64_t kPresent = 1ul << 0;
  static constexpr uint64_t kWrite = 1ul << 1;
  static constexpr uint64_t kUser = 1ul << 2;
  static constexpr uint64_t kWriteThrough = 1ul << 3;
  static constexpr uint64_t kCacheDisable = 1ul << 4;
  static constexpr uint64_t kAccessed = 1ul << 5;
  static constexpr uint64_t kDirty = 1ul << 6;
  static constexpr uint64_t kPageSize = 1ul << 7;  // in a PDE: maps 2 MiB
  static constexpr uint64_t kGlobal = 1ul << 8;
  static constexpr uint64_t kProtNone =
      kGlobal;  // in an entry that is not present: it maps a page all the same
  static constexpr uint64_t kSpecial = 1ul << 9;
  static constexpr uint64_t kUffdWp = 1ul << 10;
  static constexpr uint64_t kSoftDirty = 1ul << 11;
  static constexpr uint64_t kExclusive = 1ul << 52;
  static constexpr uint64_t kPin = 1ul << 53;
  static constexpr uint64_t kPinWrite = 1ul << 54;
  static constexpr uint64_t kFile = 1ul << 55;
  static constexpr uint64_t kExecuteDisable = 1ul << 63;
  // In an entry that maps no page: a marker, which says something about the address (Linux's pte_marker).
  static constexpr uint64_t kGuardMarker = 1ul << 12;   // MADV_GUARD_INSTALL: every access is refused
  static constexpr uint64_t kPoisonMarker = 1ul << 13;  // UFFDIO_POISON: every access is a memory error
  // The third marker is UFFD_WP and nothing else: the page is write-protected once it is there.
  static constexpr uint64_t kFrameMask = 0x000ffffffffff000;

  constexpr Pte() = default;
  constexpr explicit Pte(uint64_t value) : value_(value) {}
  // An entry for a frame; `bits` are those above, kPresent among them.
  static constexpr Pte for_frame(Pfn pfn, uint64_t bits) { return Pte(pfn << 12 | bits); }

  constexpr uint64_t value() const { return value_; }
  constexpr bool none() const { return value_ == 0; }
  constexpr bool present() const { return has(kPresent); }
  // A frame belongs to the entry, whether or not it may be accessed (Linux's pte_present).
  constexpr bool maps_page() const { return (value_ & (kPresent | kProtNone)) != 0; }
  constexpr bool guard() const { return !maps_page() && has(kGuardMarker); }
  constexpr bool poisoned() const { return !maps_page() && has(kPoisonMarker); }
  constexpr bool wp_marker() const { return (value_ & ~kSoftDirty) == kUffdWp; }
  // Nothing is there yet; UFFD_WP may be.
  constexpr bool missing() const { return none() || wp_marker(); }
  constexpr Pfn pfn() const { return (value_ & kFrameMask) >> 12; }

  constexpr bool has(uint64_t bits) const { return (value_ & bits) == bits; }
  constexpr Pte with(uint64_t bits) const { return Pte(value_ | bits); }
  constexpr Pte without(uint64_t bits) const { return Pte(value_ & ~bits); }

  constexpr bool writable() const { return has(kWrite); }
  constexpr bool exclusive() const { return has(kExclusive); }
  constexpr bool special() const { return has(kSpecial); }

  constexpr bool operator==(const Pte&) const = default;

 private:
  uint64_t value_ = 0;
};
static_assert(sizeof(Pte) == 8);

}  // namespace mk
