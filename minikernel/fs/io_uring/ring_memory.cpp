// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/io_uring/ring_memory.h"

#include <asm/errno.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/kmalloc.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {

RingMemory::~RingMemory() {
  release(rings_);
  release(entries_part_);
}

long RingMemory::allocate(Part& part, uint64_t bytes) {
  uint64_t pages = page_align_up(bytes) / kPageSize;
  part.frames = static_cast<uint32_t*>(kmalloc(pages * sizeof(uint32_t)));
  if (part.frames == nullptr) return -ENOMEM;
  for (; part.count < pages; ++part.count) {
    Pfn frame = alloc_zeroed_frame();
    if (frame == 0) return -ENOMEM;
    part.frames[part.count] = static_cast<uint32_t>(frame);
  }
  return 0;
}

void RingMemory::release(Part& part) {
  for (uint32_t i = 0; i < part.count; ++i) frame_put(part.frames[i]);
  kfree(part.frames);
  part = {};
}

char* RingMemory::at(const Part& part, uint64_t offset) {
  return static_cast<char*>(phys_to_virt(uint64_t{part.frames[offset / kPageSize]} * kPageSize)) +
         offset % kPageSize;
}

long RingMemory::init(uint32_t entries, uint32_t completions) {
  entries_ = entries;
  completions_ = completions;
  long error = allocate(rings_, array() + uint64_t{entries} * sizeof(uint32_t));
  if (error == 0) error = allocate(entries_part_, uint64_t{entries} * sizeof(io_uring_sqe));
  if (error < 0) return error;
  write(kSqMask, entries - 1);
  write(kSqEntries, entries);
  write(kCqMask, completions - 1);
  write(kCqEntries, completions);
  return 0;
}

void RingMemory::describe(io_uring_params& params) const {
  params.sq_entries = entries_;
  params.cq_entries = completions_;
  params.sq_off = {.head = kSqHead,
                   .tail = kSqTail,
                   .ring_mask = kSqMask,
                   .ring_entries = kSqEntries,
                   .flags = kSqFlags,
                   .dropped = kSqDropped,
                   .array = static_cast<uint32_t>(array()),
                   .resv1 = 0,
                   .resv2 = 0};
  params.cq_off = {.head = kCqHead,
                   .tail = kCqTail,
                   .ring_mask = kCqMask,
                   .ring_entries = kCqEntries,
                   .overflow = kCqOverflow,
                   .cqes = kCompletions,
                   .flags = kCqFlags,
                   .resv1 = 0,
                   .resv2 = 0};
}

Result<Pfn> RingMemory::get_page(uint64_t index) const {
  uint64_t offset = index * kPageSize;
  const Part& part = (offset & IORING_OFF_MMAP_MASK) == IORING_OFF_SQES ? entries_part_ : rings_;
  index = (offset & ~static_cast<uint64_t>(IORING_OFF_MMAP_MASK)) / kPageSize;
  if (index >= part.count) return Errno{ENXIO};
  Pfn frame = part.frames[index];
  if (!frame_get(frame)) return Errno{ENOMEM};
  return frame;
}

// What lies beyond the frames is SIGBUS, as in a file.
long RingMemory::check_mapping(uint64_t offset) {
  switch (offset & IORING_OFF_MMAP_MASK) {
    case IORING_OFF_SQ_RING:
    case IORING_OFF_CQ_RING:
    case IORING_OFF_SQES:
      return 0;
  }
  return -ENOMEM;
}

uint32_t RingMemory::submitted() const {
  return min(read(kSqTail) - __atomic_load_n(&sq_head_, __ATOMIC_RELAXED), entries_);
}

bool RingMemory::next_entry(io_uring_sqe& entry) {
  uint32_t index = read(array() + uint64_t{sq_head_ & (entries_ - 1)} * sizeof(uint32_t));
  bool known = index < entries_;
  if (known) {
    memcpy(&entry, at(entries_part_, uint64_t{index} * sizeof(entry)), sizeof(entry));
  } else {
    write(kSqDropped, read(kSqDropped) + 1);
  }
  __atomic_store_n(&sq_head_, sq_head_ + 1, __ATOMIC_RELAXED);
  write(kSqHead, sq_head_);
  return known;
}

uint32_t RingMemory::completed() const {
  return min(__atomic_load_n(&cq_tail_, __ATOMIC_RELAXED) - read(kCqHead), completions_);
}

bool RingMemory::post(const io_uring_cqe& completion) {
  if (completed() == completions_) return false;
  uint64_t offset = kCompletions + uint64_t{cq_tail_ & (completions_ - 1)} * sizeof(io_uring_cqe);
  memcpy(at(rings_, offset), &completion, sizeof(io_uring_cqe));
  __atomic_store_n(&cq_tail_, cq_tail_ + 1, __ATOMIC_RELAXED);
  write(kCqTail, cq_tail_);
  return true;
}

void RingMemory::set_overflow(bool there_are) {
  uint32_t& flags = word(kSqFlags);
  if (there_are) {
    __atomic_fetch_or(&flags, IORING_SQ_CQ_OVERFLOW, __ATOMIC_RELEASE);
  } else {
    __atomic_fetch_and(&flags, ~IORING_SQ_CQ_OVERFLOW, __ATOMIC_RELEASE);
  }
}

}  // namespace mk
