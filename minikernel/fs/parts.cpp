// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/parts.h"

#include <linux/uio.h>

#include "fs/transfer.h"
#include "mm/user_memory.h"

namespace mk {

long UserParts::import(uint64_t vector, uint64_t count) {
  if (count > UIO_MAXIOV) return -EINVAL;
  vector_ = vector;
  count_ = count;
  bool bad = false;
  for (uint64_t i = 0; i < count; ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(part))) return -EFAULT;
    if (static_cast<int64_t>(part.iov_len) < 0) return -EINVAL;
    uint64_t bytes = count == 1 ? min(part.iov_len, kMaxTransfer) : part.iov_len;  // as import_ubuf()
    bad |= !access_ok(reinterpret_cast<uint64_t>(part.iov_base), bytes);
    left_ = min(left_ + min(static_cast<uint64_t>(part.iov_len), kMaxTransfer), kMaxTransfer);
  }
  return bad ? -EFAULT : 0;
}

bool UserParts::next(UserBuffer& part) {
  if (left_ == 0) return false;
  while (part_.size == 0) {
    iovec one;
    if (count_ == 0 || !get_user(one, vector_)) return false;
    vector_ += sizeof(one);
    --count_;
    part_ = {reinterpret_cast<uint64_t>(one.iov_base), one.iov_len};
  }
  part = {part_.address, min(part_.size, left_)};
  return true;
}

void UserParts::advance(size_t bytes) {
  part_.address += bytes;
  part_.size -= bytes;
  left_ -= bytes;
}

template <typename Copy>
size_t UserParts::move(size_t bytes, Copy copy) {
  size_t done = 0;
  UserBuffer part;
  while (done < bytes && next(part)) {
    part.size = min(part.size, bytes - done);
    long moved = copy(part, done);
    if (moved < 0) break;
    advance(static_cast<size_t>(moved));
    done += static_cast<size_t>(moved);
    if (static_cast<size_t>(moved) < part.size) break;
  }
  return done;
}

size_t UserParts::copy_in(void* to, size_t bytes) {
  return move(bytes, [to](UserBuffer part, size_t done) {
    return copy_in_some(static_cast<char*>(to) + done, part.address, part.size);
  });
}

size_t UserParts::copy_out(const void* from, size_t bytes) {
  return move(bytes, [from](UserBuffer part, size_t done) {
    return copy_out_some(part.address, static_cast<const char*>(from) + done, part.size);
  });
}

}  // namespace mk
