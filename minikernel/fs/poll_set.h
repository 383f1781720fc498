// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waiting for one of several files to have something to say: what poll, select and epoll have in common.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "proc/wait_queue.h"

namespace mk {

class PollSet {
 public:
  PollSet() = default;
  ~PollSet();
  PollSet(const PollSet&) = delete;

  // `file` may be empty: such an item has `missing` to say. -ENOMEM.
  long add(Ref<File> file, short events, short missing = 0);
  size_t size() const { return size_; }
  short result(size_t index) const { return item(index).result; }

  // Until at least one has something to say: how many have. 0: the time has come. -ERESTARTNOHAND: a signal.
  // With an end in the past nobody waits.
  long wait(uint64_t end);

 private:
  struct Item {
    Ref<File> file;
    short events = 0;
    short missing = 0;
    short result = 0;
    Waiter* waiter = nullptr;
  };
  static constexpr size_t kChunk = 64;
  struct Chunk {
    Item items[kChunk];
  };
  static constexpr size_t kChunks = 64;
  Item& item(size_t index) const { return chunks_[index / kChunk]->items[index % kChunk]; }
  long look();

  Chunk* chunks_[kChunks] = {};
  size_t size_ = 0;
};

}  // namespace mk
