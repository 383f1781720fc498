// SPDX-License-Identifier: GPL-2.0-or-later
//
// Strings on their way to a new program: terminated, one after the other, in frames of the kernel's.
#pragma once

#include <stddef.h>

#include "mm/frame_allocator.h"

namespace mk {

class ArgumentBuffer {
 public:
  static constexpr size_t kMaxBytes = 2 << 20;     // a quarter of the usual stack, as in Linux
  static constexpr size_t kMaxString = 128 << 10;  // MAX_ARG_STRLEN

  ArgumentBuffer() = default;
  ~ArgumentBuffer();
  ArgumentBuffer(const ArgumentBuffer&) = delete;

  // -E2BIG, -ENOMEM; then nothing of it counts.
  long append(const void* bytes, size_t size);
  long append_string(const char* text);

  size_t size() const { return size_; }
  // The piece that starts at `offset`, up to the end of its frame.
  const char* at(size_t offset, size_t& bytes) const;
  size_t strings() const;  // how many ends there are
  // Appends the strings of another one from `offset` on.
  long append_from(const ArgumentBuffer& other, size_t offset);
  size_t first_string_end() const;  // behind the NUL of the first string; 0: there is none

 private:
  Pfn* frames_ = nullptr;  // a page of them
  size_t size_ = 0;
};

}  // namespace mk
