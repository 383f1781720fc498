// SPDX-License-Identifier: GPL-2.0-or-later
//
// The memory that one call reads or writes, in one part or several, as a row of bytes that is used up from
// its front (Linux's iov_iter). Files to which a transfer is a message and not just bytes (pipes, eventfd,
// userfaultfd) take it whole, others part by part (Inode::read_parts).
#pragma once

#include "fs/inode.h"

namespace mk {

class Parts {
 public:
  virtual ~Parts() = default;
  size_t left() const { return left_; }
  // Moves the next bytes, of which as many are left, and says how many: fewer when memory in between cannot
  // be touched.
  virtual size_t copy_in(void* to, size_t bytes) = 0;
  virtual size_t copy_out(const void* from, size_t bytes) = 0;

 protected:
  size_t left_ = 0;
};

// Memory of the program. An array of iovecs stays where it is, and each is read again when its turn comes:
// who changes it meanwhile moves other bytes, but not more.
class UserParts final : public Parts {
 public:
  UserParts() = default;
  explicit UserParts(UserBuffer only) : part_(only) { left_ = only.size; }

  // Linux's import_iovec(): all parts are checked before the first is moved. -EINVAL, -EFAULT.
  long import(uint64_t vector, uint64_t count);
  // What is next: a part, or what is left of it. False: its iovec cannot be read, or nothing is left.
  bool next(UserBuffer& part);
  void advance(size_t bytes);

  size_t copy_in(void* to, size_t bytes) override;
  size_t copy_out(const void* from, size_t bytes) override;

 private:
  template <typename Copy>
  size_t move(size_t bytes, Copy copy);

  uint64_t vector_ = 0;  // the next iovec
  uint64_t count_ = 0;   // from there on
  UserBuffer part_ = {0, 0};
};

}  // namespace mk
