// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a change of page-table entries owes to the TLBs. Whoever takes a right away, or a page, tells the
// batch; frames that were mapped are dropped only after the flush (no frame that a TLB entry names is free).
// The destructor checks that nothing was forgotten. Linux's mmu_gather.
//
// The flush comes after the page-table lock is let go, so the caller holds mmap_lock for writing: no fault
// runs in between. Until then the address space's tlb_flush_pending says that TLBs may hold more than the
// entries (Linux's mm_tlb_flush_pending); who copies a page must flush it itself then.
#pragma once

#include <stdint.h>

#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/frame_allocator.h"
#include "mm/vmstat.h"

namespace mk {

class TlbBatch {
 public:
  explicit TlbBatch(AddressSpace& mm) : mm_(mm) {
    __atomic_fetch_add(&mm_.tlb_flush_pending, 1, __ATOMIC_SEQ_CST);
  }
  ~TlbBatch() {
    KASSERT(start_ == end_ && frame_count_ == 0);
    __atomic_fetch_sub(&mm_.tlb_flush_pending, 1, __ATOMIC_SEQ_CST);
  }
  TlbBatch(const TlbBatch&) = delete;

  // The entry of this page allows less than before, or maps something else.
  void changed(uint64_t linear) {
    if (start_ == end_) start_ = linear;
    start_ = linear < start_ ? linear : start_;
    end_ = linear + kPageSize > end_ ? linear + kPageSize : end_;
    ++changes_;
  }
  // The frame that `changed` page was mapped to; its reference goes after the flush.
  void release(Pfn pfn) {
    frames_[frame_count_++] = pfn;
    if (frame_count_ == kFrames) flush();
  }
  void flush() {
    if (start_ != end_) flush_tlb(mm_.page_table(), start_, end_);
    if (changes_ > 0) count_vm_event(VmEvent::kTlbFlushDeferred, changes_);
    start_ = end_ = changes_ = 0;
    for (unsigned i = 0; i < frame_count_; ++i) frame_put(frames_[i]);
    frame_count_ = 0;
  }

 private:
  static constexpr unsigned kFrames = 64;

  AddressSpace& mm_;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
  uint64_t changes_ = 0;
  Pfn frames_[kFrames];
  unsigned frame_count_ = 0;
};

}  // namespace mk
