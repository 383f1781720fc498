// SPDX-License-Identifier: GPL-2.0-or-later
//
// One submission on its way to its completion (Linux's struct io_kiocb). It has a copy of its entry and
// references to all it needs, so that the program may change or close what it likes meanwhile.
//
// A request that can be done at once never waits. One that cannot is in flight: it stands in its ring's list,
// and the ring's thread waits for its file or its time (fs/io_uring/ring.h).
#pragma once

#include <linux/io_uring.h>

#include "fs/file.h"
#include "fs/pinned_pages.h"
#include "mm/address_space.h"
#include "proc/wait_queue.h"

namespace mk {

class Ring;
struct Task;

// What executing says of a request that has to wait (Linux's EIOCBQUEUED).
inline constexpr long kInFlight = -529;

// A piece of user memory that is read or written. With `pages` the transfer goes by these frames, whatever
// becomes of the program's page table; without, it looks there when it is done.
struct TransferPart {
  uint64_t address = 0;
  size_t bytes = 0;
  Ref<PinnedPages> pages;
};

// One part without further memory, up to UIO_MAXIOV with it.
class TransferParts {
 public:
  TransferParts() = default;
  ~TransferParts() { clear(); }
  TransferParts(const TransferParts&) = delete;

  // Room for `count` parts, empty. -ENOMEM.
  long resize(uint32_t count);
  void clear();
  uint32_t count() const { return count_; }
  TransferPart& operator[](uint32_t index) {
    return count_ == 1 ? single_ : chunks_[index / kPerChunk][index % kPerChunk];
  }

 private:
  static constexpr uint32_t kMost = 1024;  // UIO_MAXIOV
  static constexpr uint32_t kPerChunk = 4096 / sizeof(TransferPart);

  uint32_t count_ = 0;
  TransferPart single_;
  TransferPart* chunks_[kMost / kPerChunk + 1] = {};
};

struct Request {
  Request() = default;
  ~Request() { release(); }
  Request(const Request&) = delete;

  // Gives back all it holds; only what its completion says stays.
  void release();
  // By the ring's thread: from now on it is woken when the file may be ready.
  void watch(WaitQueue* queue);
  void unwatch();

  io_uring_sqe sqe = {};
  Ref<File> file;
  Ref<AddressSpace> mm;  // whose memory parts without pages are in
  TransferParts parts;
  const Task* owner = nullptr;  // who submitted it; to know it by
  short events = 0;             // of its file that it waits for (POLLIN)
  uint64_t deadline = kNever;   // of a timeout
  uint32_t target = 0;          // of a timeout: when so many completions have been posted; 0: never
  long result = 0;              // an error that was found ahead
  uint32_t tried_at = 0;        // its file's wakes() when it was last tried
  bool tried = false;
  bool failed = false;      // the requests linked to it do not happen
  bool adopted = false;     // the ring's thread knows it
  bool cancelled = false;   // it may not wait any longer
  Request* link = nullptr;  // what begins when it has succeeded
  Request* previous = nullptr;
  Request* next = nullptr;

 private:
  Waiter* waiter_ = nullptr;
  alignas(Waiter) uint8_t waiter_place_[sizeof(Waiter)];
};

}  // namespace mk
