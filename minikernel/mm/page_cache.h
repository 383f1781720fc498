// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frames that hold a file's pages, by page index: a radix tree with 512 ways a level whose nodes are
// frames. Holds one reference to every frame in it. A frame that is mapped as well survives its removal until
// it is unmapped. A page can be marked as reserved: there, but never written or mapped (fallocate), a hole
// for SEEK_DATA. The owner serialises all calls by a spinlock of its own.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

class PageCache {
 public:
  static constexpr uint64_t kEnd = UINT64_MAX;  // beyond every index

  PageCache() = default;
  ~PageCache() { clear(); }
  PageCache(const PageCache&) = delete;

  Pfn find(uint64_t index) const;  // 0: not there
  // Takes over the caller's reference. False when memory is out; the reference then stays with the caller.
  bool insert(uint64_t index, Pfn pfn);
  // The frame of page `index`, a zeroed one when there was none; 0 when memory is out. Tells through `added`
  // that it is new and still has to be filled.
  Pfn find_or_add(uint64_t index, bool* added = nullptr);
  // The lowest index from `index` on that has a frame, a reserved one too if `reserved`; kEnd when there is
  // none.
  uint64_t next_present(uint64_t index, bool reserved = true) const;
  // Marks a page that is there.
  void set_reserved(uint64_t index, bool reserved);
  // Drops the frames of [first, end), and the nodes that this leaves empty for certain.
  void remove_range(uint64_t first, uint64_t end);
  void clear() { remove_range(0, kEnd); }
  uint64_t count() const { return count_; }

 private:
  static constexpr Pfn kReserved = 1ul << 63;  // in an entry, beside the frame's number

  Pfn* find_entry(uint64_t index) const;
  uint64_t next_in(Pfn node, int level, uint64_t start, uint64_t index, bool reserved) const;
  bool remove_in(Pfn node, int level, uint64_t start, uint64_t first, uint64_t end);

  Pfn root_ = 0;
  int levels_ = 0;
  uint64_t count_ = 0;
};

}  // namespace mk
