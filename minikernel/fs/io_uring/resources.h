// SPDX-License-Identifier: GPL-2.0-or-later
//
// What io_uring_register(2) lets a ring keep: buffers, pinned for writing and for long as Linux does
// (FOLL_LONGTERM), open files, an eventfd to be told of completions. Calls and users of the tables hold the
// ring's submit mutex; requests keep references to what they use, so that unregistering waits for nobody.
// Functions return what the call returns.
#pragma once

#include "fs/file.h"
#include "fs/pinned_pages.h"
#include "lib/spinlock.h"

namespace mk {

// A table of references whose length is set once; in kernel memory by chunks.
template <typename T>
class RefTable {
 public:
  RefTable() = default;
  ~RefTable() { clear(); }
  RefTable(const RefTable&) = delete;

  uint32_t size() const { return size_; }
  long resize(uint32_t size) {
    for (uint32_t made = 0; made < size; made += kPerChunk) {
      auto* chunk = static_cast<Ref<T>*>(kmalloc(kPerChunk * sizeof(Ref<T>)));
      if (chunk == nullptr) {
        clear();
        return -ENOMEM;
      }
      for (uint32_t i = 0; i < kPerChunk; ++i) ::new (static_cast<void*>(chunk + i)) Ref<T>();
      chunks_[made / kPerChunk] = chunk;
    }
    size_ = size;
    return 0;
  }
  void clear() {
    for (Ref<T>*& chunk : chunks_) {
      if (chunk == nullptr) continue;
      for (uint32_t i = 0; i < kPerChunk; ++i) chunk[i].~Ref<T>();
      kfree(chunk);
      chunk = nullptr;
    }
    size_ = 0;
  }
  Ref<T>& operator[](uint32_t index) { return chunks_[index / kPerChunk][index % kPerChunk]; }

  static constexpr uint32_t kMost = 16384;  // IORING_MAX_REG_BUFFERS

 private:
  static constexpr uint32_t kPerChunk = 256;
  Ref<T>* chunks_[kMost / kPerChunk] = {};
  uint32_t size_ = 0;
};

class Resources {
 public:
  long register_buffers(uint64_t vector, uint32_t count);
  long unregister_buffers();
  long register_files(uint64_t descriptors, uint32_t count);
  long unregister_files();
  long update_files(uint64_t update, uint32_t count);
  long register_event_fd(uint64_t descriptor, bool only_async);
  long unregister_event_fd();
  void clear();

  // Empty when there is none.
  Ref<PinnedPages> buffer(uint32_t index) { return index < buffers_.size() ? buffers_[index] : nullptr; }
  Ref<File> file(uint32_t index) { return index < files_.size() ? files_[index] : nullptr; }
  // May be asked for at any time.
  Ref<File> event_fd(bool async);

 private:
  static Result<Ref<File>> registrable_file(int fd);

  RefTable<PinnedPages> buffers_;
  RefTable<File> files_;
  Spinlock event_lock_;
  Ref<File> event_fd_;
  bool only_async_ = false;
};

}  // namespace mk
