// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory of another process: process_vm_readv(2) and process_vm_writev(2), Linux mm/process_vm_access.c. Data
// passes through a page of the kernel's, part of a remote page by part of a remote page. Once something has
// been moved the call says how much; only when the very first part fails it fails: EFAULT.
#include <linux/uio.h>

#include "arch/x86_64/memory_layout.h"
#include "fs/transfer.h"
#include "mm/gup.h"
#include "proc/ptrace.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// An array of struct iovec in the program's memory, walked from its first byte to its last.
class UserVector {
 public:
  UserVector(UserAddress address, uint64_t count) : address_(address), count_(count) {}

  // Looks at every element, and adds up their sizes. -EINVAL, -EFAULT. `local`: they must lie in user space,
  // and what is above the most that a call moves is cut off.
  long check(bool local) {
    if (count_ > UIO_MAXIOV) return -EINVAL;
    for (uint64_t i = 0; i < count_; ++i) {
      iovec part;
      if (!get_user(part, address_ + i * sizeof(part))) return -EFAULT;
      if (static_cast<int64_t>(part.iov_len) < 0) return -EINVAL;
      auto start = reinterpret_cast<uint64_t>(part.iov_base);
      if (local && (start > kUserEnd || part.iov_len > kUserEnd - start)) return -EFAULT;
      total_ = min(total_ + min(part.iov_len, kMaxTransfer), kMaxTransfer);
    }
    left_ = total_;
    return 0;
  }
  uint64_t left() const { return left_; }
  // The rest of the first element that is not used up: false when it cannot be read any more, or when another
  // thread has made the elements smaller since check().
  bool current(UserBuffer& out) {
    while (size_ == 0) {
      iovec part;
      if (left_ == 0 || next_ == count_ || !get_user(part, address_ + next_++ * sizeof(part))) return false;
      start_ = reinterpret_cast<uint64_t>(part.iov_base);
      size_ = min(part.iov_len, left_);
    }
    out = {start_, size_};
    return true;
  }
  void advance(uint64_t bytes) {
    start_ += bytes;
    size_ -= bytes;
    left_ -= bytes;
  }

 private:
  UserAddress address_;
  uint64_t count_;
  uint64_t next_ = 0;
  uint64_t start_ = 0, size_ = 0;
  uint64_t total_ = 0, left_ = 0;
};

// Moves `bytes` between `buffer` and the local parts. How many it could.
uint64_t move_local(UserVector& local, char* buffer, uint64_t bytes, bool write) {
  uint64_t done = 0;
  UserBuffer here;
  while (done < bytes && local.current(here)) {
    uint64_t part = min(here.size, bytes - done);
    long moved = write ? copy_in_some(buffer + done, here.address, part)
                       : copy_out_some(here.address, buffer + done, part);
    if (moved <= 0) break;
    local.advance(static_cast<uint64_t>(moved));
    done += static_cast<uint64_t>(moved);
    if (static_cast<uint64_t>(moved) < part) break;
  }
  return done;
}

// Up to the end of a remote page. True: all of it.
bool move_part(AddressSpace& mm, uint64_t address, uint64_t bytes, UserVector& local, char* buffer,
               bool write, uint64_t& done) {
  if (!write) {
    long got = access_process_memory(mm, address, buffer, bytes, 0);
    if (got <= 0) return false;
    done = move_local(local, buffer, static_cast<uint64_t>(got), false);
    return done == bytes;
  }
  // The remote page first: what cannot be written there is not taken here. A write of nothing new finds out.
  uint64_t ready = move_local(local, buffer, bytes, true);
  long put = ready > 0 ? access_process_memory(mm, address, buffer, ready, kFollWrite) : 0;
  done = put > 0 ? static_cast<uint64_t>(put) : 0;
  return done == bytes;
}

long move(AddressSpace& mm, UserVector& local, UserVector& remote, bool write) {
  char* buffer = static_cast<char*>(kmalloc(kPageSize));
  if (buffer == nullptr) return -ENOMEM;
  uint64_t total = 0;
  UserBuffer there;
  bool good = true;
  while (good && local.left() > 0 && remote.left() > 0) {
    if (!remote.current(there)) break;
    uint64_t part = min(min(there.size, local.left()), kPageSize - there.address % kPageSize);
    uint64_t done = 0;
    good = move_part(mm, there.address, part, local, buffer, write, done);
    remote.advance(done);
    total += done;
  }
  kfree(buffer);
  if (total > 0) return static_cast<long>(total);
  return good ? 0 : -EFAULT;
}

long transfer(int pid, UserAddress local_vector, uint64_t local_count, UserAddress remote_vector,
              uint64_t remote_count, uint64_t flags, bool write) {
  if (flags != 0) return -EINVAL;
  UserVector local(local_vector, local_count), remote(remote_vector, remote_count);
  if (long error = local.check(true); error < 0) return error;
  if (local.left() == 0) return 0;
  if (long error = remote.check(false); error < 0) return error;
  if (remote.left() == 0) return 0;
  Ref<AddressSpace> mm = memory_of_task(pid);
  return mm ? move(*mm, local, remote, write) : -ESRCH;
}

}  // namespace

long sys_process_vm_readv(int pid, UserAddress local, uint64_t local_count, UserAddress remote,
                          uint64_t remote_count, uint64_t flags) {
  return transfer(pid, local, local_count, remote, remote_count, flags, false);
}

long sys_process_vm_writev(int pid, UserAddress local, uint64_t local_count, UserAddress remote,
                           uint64_t remote_count, uint64_t flags) {
  return transfer(pid, local, local_count, remote, remote_count, flags, true);
}

}  // namespace mk
