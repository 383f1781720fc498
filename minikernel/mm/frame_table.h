// SPDX-License-Identifier: GPL-2.0-or-later
//
// One 64-byte descriptor for every frame, as Linux has its struct page: the memory whose cache misses the
// design under test avoids. The table fills a physical range of its own, announced to the machine, which
// counts every access to it. What needs a descriptor and when is a matter of each policy; minikernel's own
// memory management needs none.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

struct alignas(64) FrameDescriptor {
  static constexpr uint32_t kReserved =
      1;  // not the allocator's: firmware, kernel image, initramfs, these tables

  uint32_t flags;
  uint32_t unused[15];
};
static_assert(sizeof(FrameDescriptor) == 64);

FrameDescriptor& frame_descriptor(Pfn pfn);

// For boot: the table, zeroed, for all frames below `end`.
void init_frame_table(FrameDescriptor* table, Pfn end);

}  // namespace mk
