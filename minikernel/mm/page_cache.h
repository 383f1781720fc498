// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frames that hold a file's pages, by page index: a radix tree with 512 ways a level whose nodes are
// frames. Holds one reference to every frame in it. A frame that is mapped as well survives clear() until it
// is unmapped.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

class PageCache {
 public:
  ~PageCache() { clear(); }

  Pfn find(uint64_t index) const;  // 0: not there
  // Takes over the caller's reference. False when memory is out; the reference then stays with the caller.
  bool insert(uint64_t index, Pfn pfn);
  // The frame of page `index`, a zeroed one when there was none; 0 when memory is out. Tells through `added`
  // that it is new and still has to be filled.
  Pfn find_or_add(uint64_t index, bool* added = nullptr);
  void clear();

 private:
  Pfn root_ = 0;
  int levels_ = 0;
};

}  // namespace mk
