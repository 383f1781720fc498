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
#include "lib/frame_array.h"
#include "mm/frame_allocator.h"

namespace mk {

// Counts the entries that map some frames. First the entries that were found are added; count() looks around
// for others of the same frames, unless the references tell that there are none; it must be called without
// page-table locks. What was added stays what it was when the page table changes meanwhile.
class MappingCounter {
 public:
  static constexpr size_t kMost = 2048;  // for one look around, which may take long: many at once

  explicit MappingCounter(size_t most);  // entries from one clear() to the next; at most kMost
  bool ok() const { return entries_.ok() && slots_.ok(); }  // false: memory is out
  size_t most() const { return entries_.size(); }

  void clear();
  void add(Pte entry);  // of a frame that has a descriptor
  void count();

  size_t size() const { return size_; }
  Pte entry(size_t i) const { return entries_[i]; }
  unsigned mappings(Pfn pfn) const;  // of a frame that was added, after count(): at least 1

 private:
  struct Slot {
    uint32_t pfn;  // 0: empty
    uint32_t mappings;
  };
  Slot& find(Pfn pfn) const;

  FrameArray<Pte> entries_;
  size_t size_ = 0;
  FrameArray<Slot> slots_;  // of the frames that have more references than that one entry; a hash table
  bool any_slot_ = false;
};

// What a frame is used for, as far as page tables and the allocator tell; Linux's stable_page_flags()
// (fs/proc/page.c). Of frames that only the kernel or a page cache has they tell nothing.
struct FrameUse {
  uint32_t mappings;
  uint32_t unused;
  uint64_t flags;  // 1 << KPF_*
};

// Of the first `count` frames from `first` on, all below frames_end().
void look_up_frame_uses(Pfn first, size_t count, FrameArray<FrameUse>& uses);

}  // namespace mk
