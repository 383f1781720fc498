// SPDX-License-Identifier: GPL-2.0-or-later
//
// Physical frames and how long they live. A frame is named by its number (physical address / 4096); 0 is
// never handed out and means "none". Lifetime is a count kept dense, two bytes a frame, away from the
// descriptors of mm/frame_table.h: 32 frames share a cache line, and neither allocating nor dropping a frame
// touches a descriptor (ARCHITECTURE.md, "Frame lifetime"). Free frames wait in an array for each
// CPU, refilled from and spilled to one pool in batches.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/spinlock.h"

namespace mk {

using Pfn = uint64_t;

// A frame with count 1 and undefined contents; 0 when memory is out.
Pfn alloc_frame();
Pfn alloc_zeroed_frame();
// One more, one fewer reference; the last one frees the frame.
void frame_get(Pfn pfn);
void frame_put(Pfn pfn);
unsigned frame_count(Pfn pfn);

size_t free_frame_count();   // of all CPUs and the pool
size_t total_frame_count();  // all that the allocator ever had

// The free frames of one CPU; lives in its PerCpu.
struct FrameCache {
  static constexpr size_t kCapacity = 64;
  static constexpr size_t kBatch = 32;
  uint32_t frames[kCapacity];
  size_t count = 0;
};

// For boot: `counts` and `pool` have room for every frame below `end`. The frames of a range are given once.
void init_frame_allocator(uint16_t* counts, uint32_t* pool, Pfn end);
void give_frames(Pfn start, Pfn end);

}  // namespace mk
