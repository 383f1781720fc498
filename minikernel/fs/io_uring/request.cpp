// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/io_uring/request.h"

namespace mk {

long TransferParts::resize(uint32_t count) {
  clear();
  if (count > 1) {
    for (uint32_t made = 0; made < count; made += kPerChunk) {
      auto* chunk = static_cast<TransferPart*>(kmalloc(kPerChunk * sizeof(TransferPart)));
      if (chunk == nullptr) {
        clear();
        return -ENOMEM;
      }
      for (uint32_t i = 0; i < kPerChunk; ++i) ::new (static_cast<void*>(chunk + i)) TransferPart();
      chunks_[made / kPerChunk] = chunk;
    }
  }
  count_ = count;
  return 0;
}

void TransferParts::clear() {
  for (TransferPart*& chunk : chunks_) {
    if (chunk == nullptr) continue;
    for (uint32_t i = 0; i < kPerChunk; ++i) chunk[i].~TransferPart();
    kfree(chunk);
    chunk = nullptr;
  }
  single_ = {};
  count_ = 0;
}

void Request::release() {
  unwatch();
  parts.clear();
  mm.reset();
  file.reset();
}

void Request::watch(WaitQueue* queue) {
  if (queue != nullptr && waiter_ == nullptr) waiter_ = ::new (waiter_place_) Waiter(*queue);
}

void Request::unwatch() {
  if (waiter_ != nullptr) waiter_->~Waiter();
  waiter_ = nullptr;
}

}  // namespace mk
