// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/transfer.h"

#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

// RLIMIT_FSIZE, as generic_write_check_limits: cuts `size` short, or sends SIGXFSZ.
long check_size_limit(uint64_t offset, uint64_t& size) {
  uint64_t limit = current().limit(RLIMIT_FSIZE);
  if (size == 0 || limit >= offset + size) return 0;
  if (offset >= limit) return file_too_large();
  size = limit - offset;
  return 0;
}

// Where a transfer begins, and how long it may be. `none` is the position of what has none.
long check_transfer(Direction direction, File& file, uint64_t& size, uint64_t at) {
  bool reads = direction == Direction::kRead;
  if (reads ? !file.readable() : !file.writable()) return -EBADF;
  if (static_cast<int64_t>(size) < 0 || static_cast<int64_t>(at + size) < 0) return -EINVAL;
  size = min(size, kMaxTransfer);
  return 0;
}

uint64_t& position_of(File& file, uint64_t* position, uint64_t& none) {
  return position != nullptr ? *position : file.inode().seekable() ? file.position : none;
}

bool appends(Direction direction, const File& file) {
  return direction == Direction::kWrite && file.appends() && file.inode().is_regular();
}

}  // namespace

TransferGuard::TransferGuard(Direction direction, File& file, bool own_position)
    : position_(file, own_position) {
  if (direction != Direction::kWrite || !file.inode().is_regular()) return;
  contents_ = &file.inode().io_lock;
  contents_->lock();
}

TransferGuard::~TransferGuard() {
  if (contents_ != nullptr) contents_->unlock();
}

// O_APPEND goes before both kinds of position, for pwrite too (pwrite(2), BUGS).
long transfer(Direction direction, File& file, UserBuffer buffer, uint64_t* position) {
  uint64_t none = 0;
  uint64_t& at = position_of(file, position, none);
  if (long error = check_transfer(direction, file, buffer.size, at); error < 0) return error;
  if (buffer.address + buffer.size < buffer.address) return -EFAULT;
  Inode& inode = file.inode();
  bool at_end = appends(direction, file);
  if (direction == Direction::kWrite && inode.is_regular())
    if (long error = check_size_limit(at_end ? inode.size : at, buffer.size); error < 0) return error;
  if (at_end) {
    uint64_t end = 0;
    long done = inode.append(file, end, buffer);
    if (done > 0 && position == nullptr) file.position = end;
    return done;
  }
  // Asked before the size: a directory or a device that cannot be read says so for 0 bytes too.
  long done = direction == Direction::kRead ? inode.read(file, at, buffer) : inode.write(file, at, buffer);
  if (done > 0) at += static_cast<uint64_t>(done);
  return done;
}

long transfer_kernel(Direction direction, File& file, void* memory, size_t bytes, uint64_t* position) {
  uint64_t none = 0;
  uint64_t& at = position_of(file, position, none);
  if (long error = check_transfer(direction, file, bytes, at); error < 0) return error;
  Inode& inode = file.inode();
  uint64_t start = appends(direction, file) ? inode.size : at;
  if (direction == Direction::kWrite && inode.is_regular())
    if (long error = check_size_limit(start, bytes); error < 0) return error;
  long done = direction == Direction::kRead ? inode.read_kernel(start, memory, bytes)
                                            : inode.write_kernel(file, start, memory, bytes);
  if (done > 0) at = start + static_cast<uint64_t>(done);
  return done;
}

long file_too_large() {
  siginfo_t info;
  memset(&info, 0, sizeof(info));
  info.si_signo = SIGXFSZ;
  info.si_code = SI_KERNEL;
  send_signal(current(), info);
  return -EFBIG;
}

}  // namespace mk
