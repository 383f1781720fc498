// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/poll_set.h"

#include <linux/poll.h>

#include "arch/x86_64/clock.h"

namespace mk {

PollSet::~PollSet() {
  for (size_t i = 0; i < size_; ++i) destroy(item(i).waiter);
  for (Chunk* chunk : chunks_) destroy(chunk);
}

long PollSet::add(Ref<File> file, short events, short missing) {
  if (size_ == kChunk * kChunks) return -EINVAL;
  Chunk*& chunk = chunks_[size_ / kChunk];
  if (chunk == nullptr) chunk = create<Chunk>();
  if (chunk == nullptr) return -ENOMEM;
  Item& added = item(size_++);
  added.file = file;
  added.events = static_cast<short>(events | POLLERR | POLLHUP);
  added.missing = missing;
  return 0;
}

long PollSet::look() {
  long ready = 0;
  for (size_t i = 0; i < size_; ++i) {
    Item& one = item(i);
    one.result = one.file ? static_cast<short>(one.file->inode().poll(*one.file) & one.events) : one.missing;
    ready += one.result != 0;
  }
  return ready;
}

long PollSet::wait(uint64_t end) {
  if (end <= now_ns()) {
    for (size_t i = 0; i < size_; ++i)
      if (item(i).file && (item(i).events & POLLIN)) item(i).file->inode().look_for_input();
    return look();
  }
  for (size_t i = 0; i < size_; ++i) {
    Item& one = item(i);
    WaitQueue* queue = one.file ? one.file->inode().poll_queue() : nullptr;
    if (queue == nullptr) continue;
    one.waiter = create<Waiter>(*queue);
    if (one.waiter == nullptr) return -ENOMEM;
  }
  WaitQueue nobody;
  long ready = 0;
  long slept = sleep_until(nobody, [&] { return (ready = look()) != 0; }, Sleep::kInterruptible, end);
  if (slept == -ETIMEDOUT) return 0;
  return slept < 0 ? -kRestartNoHandler : ready;
}

}  // namespace mk
