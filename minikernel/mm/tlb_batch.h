// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a change of page-table entries owes to the TLB. Whoever takes a right away, or a page, tells the
// batch; frames that were mapped are dropped only after the flush (no frame that a TLB entry
// names is free). The destructor checks that nothing was forgotten. Linux's mmu_gather.
#pragma once

#include <stdint.h>

#include "arch/x86_64/page_table.h"
#include "arch/x86_64/tlb.h"
#include "lib/assert.h"
#include "mm/frame_allocator.h"

namespace mk {

class TlbBatch {
 public:
  explicit TlbBatch(const PageTable& table) : table_(table) {}
  ~TlbBatch() { KASSERT(start_ == end_ && frame_count_ == 0); }
  TlbBatch(const TlbBatch&) = delete;

  // The entry of this page allows less than before, or maps something else.
  void changed(uint64_t linear) {
    if (start_ == end_) start_ = linear;
    start_ = linear < start_ ? linear : start_;
    end_ = linear + kPageSize > end_ ? linear + kPageSize : end_;
  }
  // The frame that `changed` page was mapped to; its reference goes after the flush.
  void release(Pfn pfn) {
    frames_[frame_count_++] = pfn;
    if (frame_count_ == kFrames) flush();
  }
  void flush() {
    if (start_ != end_ && table_.active()) flush_tlb_range(start_, end_);
    start_ = end_ = 0;
    for (unsigned i = 0; i < frame_count_; ++i) frame_put(frames_[i]);
    frame_count_ = 0;
  }

 private:
  static constexpr unsigned kFrames = 64;

  const PageTable& table_;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
  Pfn frames_[kFrames];
  unsigned frame_count_ = 0;
};

}  // namespace mk
