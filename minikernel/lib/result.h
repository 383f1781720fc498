// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a kernel function returns that gives a value or fails as Linux would: a T, or an errno. Functions with
// nothing to give return `long` as Linux does: 0 or more, or -errno.
#pragma once

#include <asm/errno.h>

namespace mk {

struct Errno {
  int number;  // positive, from <asm/errno.h>
};

template <typename T>
class Result {
 public:
  Result(T value) : value_(static_cast<T&&>(value)) {}
  Result(Errno error) : error_(error.number) {}

  bool ok() const { return error_ == 0; }
  long error() const { return -static_cast<long>(error_); }  // -errno, as a system call returns it
  Errno failure() const { return Errno{error_}; }
  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }

 private:
  T value_{};
  int error_ = 0;
};

}  // namespace mk
