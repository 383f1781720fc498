// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which page-table entries map a frame, found by looking at all of them. Linux's page_mapcount() for whoever
// asks from outside (/proc): the references of a frame do not tell, since pipes, pins and page caches have
// some, too, and one that a copy has put off dropping is still counted. The same under every policy, and
// never on the way of a fault.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/pte.h"
#include "mm/frame_allocator.h"

namespace mk {

// Counts the entries that map some frames, at most kMost. First the entries that were found are added, then
// count() looks around; it must be called without page-table locks.
class MappingCounter {
 public:
  static constexpr size_t kMost = 256;

  MappingCounter();
  ~MappingCounter();
  MappingCounter(const MappingCounter&) = delete;
  bool ok() const { return slots_ != nullptr; }  // false: memory is out

  void clear();
  void add(Pte entry);
  void count();
  // Of a frame that was added, at least 1; 0 for others.
  unsigned mappings(Pfn pfn) const;

 private:
  struct Slot {
    uint32_t pfn;  // 0: empty
    uint32_t mappings;
  };
  static constexpr size_t kSlots = 2 * kMost;
  Slot& find(Pfn pfn) const;

  Slot* slots_;
  bool certain_ = true;  // all frames have one reference beside their file's: one entry each
};

// What a frame is used for, as far as page tables and the allocator tell; Linux's stable_page_flags()
// (fs/proc/page.c). Of frames that only the kernel or a page cache has they tell nothing.
struct FrameUse {
  uint32_t mappings;
  uint32_t unused;
  uint64_t flags;  // 1 << KPF_*
};

// Of the frames from `first` on, all below frames_end().
void look_up_frame_uses(Pfn first, size_t count, FrameUse* uses);

}  // namespace mk
