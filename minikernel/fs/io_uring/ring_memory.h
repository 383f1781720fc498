// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a program and the kernel share of an io_uring: frames of the kernel that the program maps (Linux's
// struct io_rings and the array of submission entries).
//
//   IORING_OFF_SQ_RING, IORING_OFF_CQ_RING      IORING_OFF_SQES
//     0   SQ head, tail                            submission entries, 64 bytes each
//    64   CQ head, tail
//   128   masks, sizes, flags, counts
//   192   completion entries, 16 bytes each
//         SQ array: indices of submission entries, 4 bytes each
//
// The kernel writes SQ head and CQ tail and believes only its own copies of them. Whatever else stands here
// may be changed by the program at any time: it is read once and then checked. The owner serialises:
// next_entry() by one lock, post() by another.
#pragma once

#include <linux/io_uring.h>
#include <stdint.h>

#include "lib/result.h"
#include "mm/frame_allocator.h"

namespace mk {

class RingMemory {
 public:
  static constexpr uint32_t kMostEntries = 32768;  // IORING_MAX_ENTRIES
  static constexpr uint32_t kMostCompletions = 2 * kMostEntries;

  RingMemory() = default;
  ~RingMemory();
  RingMemory(const RingMemory&) = delete;

  // Both powers of two. -ENOMEM.
  long init(uint32_t entries, uint32_t completions);
  // Fills in sizes and where everything is.
  void describe(io_uring_params& params) const;

  // The frame of a page of what is mapped, with a reference for the caller; ENXIO.
  Result<Pfn> get_page(uint64_t index) const;
  // Whether a mapping may begin at that offset. -ENOMEM, as Linux 6 says.
  static long check_mapping(uint64_t offset);

  uint32_t entries() const { return entries_; }
  uint32_t completions() const { return completions_; }
  // Entries that wait to be taken.
  uint32_t submitted() const;
  bool submission_full() const { return submitted() >= entries_; }
  // Takes the next of them. False: its index is none; it counts as dropped.
  bool next_entry(io_uring_sqe& entry);

  // Completions that the program has not taken yet.
  uint32_t completed() const;
  // False: there is no room.
  bool post(const io_uring_cqe& completion);
  void set_overflow(bool there_are);  // completions that wait for room
  bool events_disabled() const { return word(kCqFlags) & IORING_CQ_EVENTFD_DISABLED; }

 private:
  enum Offset : uint32_t {
    kSqHead = 0,
    kSqTail = 4,
    kCqHead = 64,
    kCqTail = 68,
    kSqMask = 128,
    kCqMask = 132,
    kSqEntries = 136,
    kCqEntries = 140,
    kSqDropped = 144,
    kSqFlags = 148,
    kCqFlags = 152,
    kCqOverflow = 156,
    kCompletions = 192,
  };
  // Frames that the program sees side by side.
  struct Part {
    uint32_t* frames = nullptr;
    uint32_t count = 0;
  };
  static long allocate(Part& part, uint64_t bytes);
  static void release(Part& part);
  static char* at(const Part& part, uint64_t offset);
  uint32_t& word(uint64_t offset) const { return *reinterpret_cast<uint32_t*>(at(rings_, offset)); }
  uint32_t read(uint64_t offset) const { return __atomic_load_n(&word(offset), __ATOMIC_ACQUIRE); }
  void write(uint64_t offset, uint32_t value) { __atomic_store_n(&word(offset), value, __ATOMIC_RELEASE); }
  uint64_t array() const { return kCompletions + uint64_t{completions_} * sizeof(io_uring_cqe); }

  Part rings_;
  Part entries_part_;
  uint32_t entries_ = 0;
  uint32_t completions_ = 0;
  uint32_t sq_head_ = 0;
  uint32_t cq_tail_ = 0;
};

}  // namespace mk
