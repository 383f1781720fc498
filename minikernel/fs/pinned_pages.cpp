// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/pinned_pages.h"

#include <asm/errno.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {

Result<Ref<PinnedPages>> PinnedPages::take(AddressSpace& mm, uint64_t address, size_t bytes, unsigned flags) {
  Ref<PinnedPages> pages = make<PinnedPages>(address, bytes);
  if (!pages) return Errno{ENOMEM};
  if (long error = pages->take_all(mm, flags); error < 0) return Errno{static_cast<int>(-error)};
  return pages;
}

Result<Ref<PinnedPages>> PinnedPages::take_some(AddressSpace& mm, uint64_t address, size_t bytes,
                                                unsigned flags) {
  Ref<PinnedPages> pages = make<PinnedPages>(address, bytes);
  if (!pages) return Errno{ENOMEM};
  long error = pages->take_all(mm, flags);
  if (error < 0 && pages->taken_ == 0) return Errno{static_cast<int>(-error)};
  return pages;
}

long PinnedPages::take_all(AddressSpace& mm, unsigned flags) {
  if (address_ + size_ < address_ || address_ + size_ > kUserEnd) return -EFAULT;
  uint64_t first = page_align_down(address_);
  size_t count = (page_align_up(address_ + size_) - first) / kPageSize;
  if (count > kPerChunk * kMostChunks) return -ENOMEM;
  size_t table = (count + kPerChunk - 1) / kPerChunk * sizeof(PageRef*);
  chunks_ = static_cast<PageRef**>(kmalloc(table));
  if (chunks_ == nullptr) return -ENOMEM;
  memset(chunks_, 0, table);
  bool own = &mm == current().mm.raw();
  while (taken_ < count) {
    PageRef*& chunk = chunks_[taken_ / kPerChunk];
    size_t wanted = min(count - taken_, kPerChunk - taken_ % kPerChunk);
    if (chunk == nullptr) chunk = static_cast<PageRef*>(kmalloc(min(wanted, kPerChunk) * sizeof(PageRef)));
    if (chunk == nullptr) return -ENOMEM;
    uint64_t at = first + taken_ * kPageSize;
    long got = own ? get_own_pages(at, wanted, flags, &page(taken_))
                   : get_user_pages(mm, at, wanted, flags, &page(taken_));
    if (got < 0) return got;
    taken_ += static_cast<size_t>(got);  // the next turn says why it was not all
  }
  return 0;
}

PinnedPages::~PinnedPages() {
  if (chunks_ == nullptr) return;
  for (size_t i = 0; i < taken_; ++i) put_user_page(page(i));
  size_t count = (page_align_up(address_ + size_) - page_align_down(address_)) / kPageSize;
  for (size_t i = 0; i * kPerChunk < count; ++i) kfree(chunks_[i]);
  kfree(chunks_);
}

char* PinnedPages::piece(uint64_t address, size_t& bytes) const {
  uint64_t offset = address - page_align_down(address_);
  bytes = min(bytes, static_cast<size_t>(kPageSize - offset % kPageSize));
  return static_cast<char*>(page_bytes(page(offset / kPageSize))) + offset % kPageSize;
}

}  // namespace mk
