// SPDX-License-Identifier: GPL-2.0-or-later
//
// One 64-byte descriptor for every frame, as Linux has its struct page: the memory whose cache misses the
// design under test avoids. The table fills a physical range of its own, announced to the machine, which
// counts every access to it. Only copy-on-write policies that follow Linux use it (mm/cow/), and the frame
// allocator for them: what they touch is what Linux's code would.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

struct alignas(64) FrameDescriptor {
  static constexpr uint32_t kReserved =
      1;  // not the allocator's: firmware, kernel image, initramfs, these tables
  static constexpr uint32_t kAnon = 2;       // maps anonymous memory (Linux's PageAnon)
  static constexpr uint32_t kExclusive = 4;  // of one address space alone (PageAnonExclusive)

  uint32_t flags;
  uint32_t references;  // Linux's page_count, where the policy keeps it here
  uint32_t mapped;      // entries that map it (page_mapcount)
  uint32_t unused[13];
};
static_assert(sizeof(FrameDescriptor) == 64);

FrameDescriptor& frame_descriptor(Pfn pfn);

// For boot: the table, zeroed, for all frames below `end`.
void init_frame_table(FrameDescriptor* table, Pfn end);

}  // namespace mk
