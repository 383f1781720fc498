// SPDX-License-Identifier: GPL-2.0-or-later
//
// References to all the pages of a range of user memory: a registered buffer, or the buffer of a direct
// transfer that is in flight. What moves bytes through them works on the frames, as a device does, and never
// looks at a page table again.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/result.h"
#include "mm/gup.h"

namespace mk {

class PinnedPages : public RefCounted {
 public:
  // -EFAULT when one of the pages cannot be had, -ENOMEM; then none is taken.
  static Result<Ref<PinnedPages>> take(AddressSpace& mm, uint64_t address, size_t bytes, unsigned flags);
  // As many of them as can be had; an error when there is none.
  static Result<Ref<PinnedPages>> take_some(AddressSpace& mm, uint64_t address, size_t bytes, unsigned flags);
  PinnedPages(uint64_t address, size_t bytes) : address_(address), size_(bytes) {}
  ~PinnedPages();

  size_t taken() const { return taken_; }  // pages
  const PageRef& at(size_t index) const { return page(index); }
  bool contains(uint64_t address, size_t bytes) const {
    return address >= address_ && bytes <= size_ && address - address_ <= size_ - bytes;
  }
  // Where the byte that the program knew at `address` is, and how much of `bytes` follows in the same page.
  char* piece(uint64_t address, size_t& bytes) const;

 private:
  static constexpr size_t kPerChunk = 4096 / sizeof(PageRef);
  static constexpr size_t kMostChunks = 4096 / sizeof(PageRef*);  // half a GiB of pages

  long take_all(AddressSpace& mm, unsigned flags);
  PageRef& page(size_t index) const { return chunks_[index / kPerChunk][index % kPerChunk]; }

  uint64_t address_;
  size_t size_;
  size_t taken_ = 0;
  PageRef** chunks_ = nullptr;
};

}  // namespace mk
