// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes: pipe(7), Linux fs/pipe.c. A ring of slots, each a part of one page (fs/pipe_slot.h): sixteen by
// default, so that a pipe holds 64 KiB at most and less when it was filled in small pieces of pages. A write
// of up to PIPE_BUF bytes lies in one slot and is never torn. With O_DIRECT each write of up to a page is a
// packet that one read takes, cut short perhaps. Both ends are inodes of one number, each with the files that
// are open on it.
//
// fs/splice.h moves slots in and out without copying. A mutex guards the slots; its holder may copy from and
// to user memory.
#pragma once

#include "arch/x86_64/memory_layout.h"
#include "fs/file.h"
#include "fs/parts.h"
#include "fs/pipe_slot.h"
#include "lib/result.h"
#include "proc/wait_queue.h"

namespace mk {

class Pipe : public RefCounted {
 public:
  ~Pipe();
  bool init() { return (slots_ = new_slots(kDefaultSlots)) != nullptr; }

  // Without `by_packets` packets are nothing special (vmsplice).
  long read(bool nonblocking, Parts& to, bool by_packets = true);
  long write(const File& file, Parts& from);
  long bytes();
  long resize(uint64_t bytes);
  long capacity() const { return static_cast<long>(slot_count_ * kPageSize); }

  bool empty() const { return load(head_) == load(tail_); }
  bool full() const { return load(head_) - load(tail_) >= load(slot_count_); }
  bool has_readers() const { return load(readers_) != 0; }
  bool has_writers() const { return load(writers_) != 0; }
  void count_readers(int change) { count(readers_, change); }
  void count_writers(int change) { count(writers_, change); }
  WaitQueue& changed() { return changed_; }

  // 0: there is data, or nobody is left to write any. -EAGAIN, -ERESTARTSYS.
  long wait_for_data(bool nonblocking);
  // 0: there is a free slot. -EPIPE with SIGPIPE when nobody reads; -EAGAIN, -ERESTARTSYS.
  long wait_for_room(bool nonblocking);

  // These need the mutex. Changes are told by changed().wake().
  Mutex& mutex() { return mutex_; }
  uint32_t used() const { return head_ - tail_; }
  PipeSlot& at(uint32_t index) { return slot(tail_ + index); }
  void push(const PipeSlot& filled);
  PipeSlot take_first();
  void drop_first() { take_first().drop(); }

 private:
  static constexpr uint32_t kDefaultSlots = 16;
  static constexpr uint32_t kMostSlots = 256;  // pipe-max-size is 1 MiB

  static PipeSlot* new_slots(uint32_t count);
  static uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
  void count(uint32_t& number, int change);
  PipeSlot& slot(uint32_t index) { return slots_[index % slot_count_]; }

  // These need the mutex: bytes moved, or -errno.
  long take_out(Parts& to, bool by_packets);
  long merge(size_t size, Parts& from);
  long append(bool packet, Parts& from);

  Mutex mutex_;  // of slots; who changes them or copies
  WaitQueue changed_;
  PipeSlot* slots_ = nullptr;
  uint32_t slot_count_ = kDefaultSlots;
  uint32_t head_ = 0;  // of the next slot to fill
  uint32_t tail_ = 0;  // the first full one
  uint32_t readers_ = 0;
  uint32_t writers_ = 0;
};

struct PipeEnds {
  Ref<File> reader;
  Ref<File> writer;
};

// `flags`: O_NONBLOCK, O_DIRECT. ENOMEM.
Result<PipeEnds> make_pipe(unsigned flags);

// SIGPIPE for the running task, unless it is a thread of the kernel. -EPIPE.
long broken_pipe();

}  // namespace mk
