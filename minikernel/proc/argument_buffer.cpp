// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/argument_buffer.h"

#include <asm/errno.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/kmalloc.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {

ArgumentBuffer::~ArgumentBuffer() {
  if (frames_ == nullptr) return;
  for (size_t i = 0; i < kMaxBytes / kPageSize; ++i)
    if (frames_[i] != 0) frame_put(frames_[i]);
  kfree(frames_);
}

long ArgumentBuffer::append(const void* bytes, size_t size) {
  if (size > kMaxBytes - size_) return -E2BIG;
  static_assert(kMaxBytes / kPageSize * sizeof(Pfn) <= kMaxKmalloc);
  if (frames_ == nullptr) {
    frames_ = static_cast<Pfn*>(kmalloc(kMaxKmalloc));
    if (frames_ == nullptr) return -ENOMEM;
    memset(frames_, 0, kMaxKmalloc);
  }
  const char* from = static_cast<const char*>(bytes);
  for (size_t done = 0; done < size;) {
    size_t at = size_ + done;
    Pfn& pfn = frames_[at / kPageSize];
    if (pfn == 0) pfn = alloc_frame();
    if (pfn == 0) return -ENOMEM;
    size_t part = min(size - done, static_cast<size_t>(kPageSize - at % kPageSize));
    memcpy(static_cast<char*>(phys_to_virt(pfn * kPageSize)) + at % kPageSize, from + done, part);
    done += part;
  }
  size_ += size;
  return 0;
}

long ArgumentBuffer::append_string(const char* text) { return append(text, strlen(text) + 1); }

const char* ArgumentBuffer::at(size_t offset, size_t& bytes) const {
  bytes = min(size_ - offset, static_cast<size_t>(kPageSize - offset % kPageSize));
  return static_cast<const char*>(phys_to_virt(frames_[offset / kPageSize] * kPageSize)) + offset % kPageSize;
}

size_t ArgumentBuffer::strings() const {
  size_t count = 0;
  for (size_t offset = 0, bytes = 0; offset < size_; offset += bytes) {
    const char* piece = at(offset, bytes);
    for (size_t i = 0; i < bytes; ++i) count += piece[i] == 0;
  }
  return count;
}

long ArgumentBuffer::append_from(const ArgumentBuffer& other, size_t offset) {
  for (size_t bytes = 0; offset < other.size(); offset += bytes) {
    const char* piece = other.at(offset, bytes);
    if (long error = append(piece, bytes); error < 0) return error;
  }
  return 0;
}

size_t ArgumentBuffer::first_string_end() const {
  for (size_t offset = 0, bytes = 0; offset < size_; offset += bytes) {
    const char* piece = at(offset, bytes);
    for (size_t i = 0; i < bytes; ++i)
      if (piece[i] == 0) return offset + i + 1;
  }
  return 0;
}

}  // namespace mk
