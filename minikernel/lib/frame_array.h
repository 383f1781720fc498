// SPDX-License-Identifier: GPL-2.0-or-later
//
// An array that may be larger than one object of kmalloc(): a frame for every so many elements. For elements
// whose bytes may be all 0, which they are at first.
#pragma once

#include "lib/assert.h"
#include "lib/kmalloc.h"
#include "lib/string.h"

namespace mk {

template <typename T>
class FrameArray {
 public:
  static constexpr size_t kPerFrame = kMaxKmalloc / sizeof(T);

  explicit FrameArray(size_t size) : size_(size) {
    KASSERT(frames() <= kMaxFrames);
    for (size_t i = 0; i < frames(); ++i)
      if ((frames_[i] = static_cast<T*>(kmalloc(kMaxKmalloc))) == nullptr) return;
    ok_ = true;
    clear();
  }
  ~FrameArray() {
    for (T* frame : frames_) kfree(frame);
  }
  FrameArray(const FrameArray&) = delete;

  bool ok() const { return ok_; }  // false: memory is out
  size_t size() const { return size_; }
  void clear() {
    for (size_t i = 0; i < frames(); ++i) memset(static_cast<void*>(frames_[i]), 0, kMaxKmalloc);
  }
  T& operator[](size_t i) const {
    KASSERT(i < size_);
    return frames_[i / kPerFrame][i % kPerFrame];
  }

 private:
  static constexpr size_t kMaxFrames = 8;
  size_t frames() const { return (size_ + kPerFrame - 1) / kPerFrame; }

  size_t size_;
  T* frames_[kMaxFrames] = {};
  bool ok_ = false;
};

}  // namespace mk
