// SPDX-License-Identifier: GPL-2.0-or-later
//
// Physical frames and how long they live. A frame is named by its number (physical address / 4096); 0 is
// never handed out and means "none". A frame lives as long as its count of references is not 0. Where the
// count is depends on the copy-on-write policy (mm/cow/): as in Linux in the frame's descriptor
// (mm/frame_table.h), or dense, two bytes a frame, so that 32 frames share a cache line and neither
// allocating nor dropping one touches a descriptor (ARCHITECTURE.md, "Frame lifetime"). Free frames wait in
// an array for each CPU, refilled from and spilled to one pool in batches.
//
// A fault that copies does not drop the old frame's reference itself: it is noted in a log of the CPU
// (frame_put_later), which is drained by an interrupt that the CPU sends itself, after the fault.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/spinlock.h"

namespace mk {

using Pfn = uint64_t;

// A frame with count 1 and undefined contents; 0 when memory is out.
Pfn alloc_frame();
Pfn alloc_zeroed_frame();
// One more reference; false when the count can hold no more. One fewer; the last one frees the frame.
[[nodiscard]] bool frame_get(Pfn pfn);
void frame_put(Pfn pfn);
// Several at once or none, where counts are in descriptors (Linux's GUP_PIN_COUNTING_BIAS).
[[nodiscard]] bool frame_get_many(Pfn pfn, uint32_t count);
void frame_put_many(Pfn pfn, uint32_t count);
void frame_put_later(Pfn pfn);
// Drops what this CPU has put off.
void drain_dropped_frames();
unsigned frame_count(Pfn pfn);

size_t free_frame_count();   // of all CPUs and the pool
Pfn frames_end();            // above all frames, the reserved ones too
size_t total_frame_count();  // all that the allocator ever had

// The free frames of one CPU; lives in its PerCpu.
struct FrameCache {
  static constexpr size_t kCapacity = 64;
  static constexpr size_t kBatch = 32;
  uint32_t frames[kCapacity];
  size_t count = 0;
};

// References that this CPU still has to drop; lives in its PerCpu.
struct FrameDropLog {
  static constexpr size_t kCapacity = 512;
  static constexpr size_t kDrainAt = 64;
  uint32_t frames[kCapacity];
  size_t count = 0;
};

// For boot: `counts` and `pool` have room for every frame below `end`. The frames of a range are given once.
void init_frame_allocator(uint16_t* counts, uint32_t* pool, Pfn end);
// Counts are in the descriptors from now on; before the first frame is handed out.
void count_frames_in_descriptors();
void give_frames(Pfn start, Pfn end);

}  // namespace mk
