// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/transfer.h"

#include <linux/fs.h>

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

bool allows(Direction direction, const File& file) {
  return direction == Direction::kRead ? file.readable() : file.writable();
}

// `none` is the position of what has none.
uint64_t& position_of(File& file, uint64_t* position, uint64_t& none) {
  return position != nullptr ? *position : file.inode().seekable() ? file.position : none;
}

long transfer_part(Direction direction, File& file, UserBuffer part, uint64_t& at, bool at_end) {
  Inode& inode = file.inode();
  bool reads = direction == Direction::kRead;
  if (!reads && inode.is_regular())
    if (long error = check_size_limit(at_end ? inode.size : at, part.size); error < 0) return error;
  if (at_end) {
    uint64_t end = 0;
    long done = inode.append(file, end, part);
    if (done > 0) at = end;
    return done;
  }
  long done = reads ? inode.read(file, at, part) : inode.write(file, at, part);
  if (done > 0) inode.advance(at, done);
  return done;
}

}  // namespace

long check_range(uint64_t at, uint64_t size) {
  bool bad =
      static_cast<int64_t>(at) < 0 || static_cast<int64_t>(size) < 0 || static_cast<int64_t>(at + size) < 0;
  return bad ? -EINVAL : 0;
}

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
bool appends(Direction direction, const File& file, int rw_flags) {
  bool wanted = (file.appends() && !(rw_flags & kRwfNoAppend)) || (rw_flags & RWF_APPEND);
  return wanted && direction == Direction::kWrite && file.inode().is_regular() && file.inode().has_end();
}

long transfer(Direction direction, File& file, UserParts& parts, uint64_t* position, bool at_end) {
  uint64_t none = 0;
  uint64_t& at = position_of(file, position, none);
  if (!allows(direction, file)) return -EBADF;
  if (long error = check_range(at, parts.left()); error < 0) return error;
  Inode& inode = file.inode();
  long whole = direction == Direction::kRead ? inode.read_parts(file, parts) : inode.write_parts(file, parts);
  if (whole != Inode::kPartByPart) return whole;
  uint64_t done = 0;
  UserBuffer part = {0, 0};
  do {  // for 0 bytes too: a directory or a device that cannot be read says so
    long moved = -EFAULT;
    if (parts.left() == 0 || parts.next(part)) {
      part.size = min(part.size, kMaxTransfer - done);
      moved = transfer_part(direction, file, part, at, at_end);
    }
    if (moved < 0) return done > 0 ? static_cast<long>(done) : moved;
    parts.advance(static_cast<size_t>(moved));
    done += static_cast<uint64_t>(moved);
    if (static_cast<size_t>(moved) < part.size) break;
  } while (parts.left() > 0 && done < kMaxTransfer);
  return static_cast<long>(done);
}

long transfer(Direction direction, File& file, UserBuffer buffer, uint64_t* position, bool at_end) {
  if (!allows(direction, file)) return -EBADF;
  if (!access_ok(buffer.address, buffer.size)) return -EFAULT;
  UserParts parts(buffer);
  return transfer(direction, file, parts, position, at_end);
}

long transfer_kernel(Direction direction, File& file, void* memory, size_t bytes, uint64_t* position,
                     bool at_end) {
  uint64_t none = 0;
  uint64_t& at = position_of(file, position, none);
  if (!allows(direction, file)) return -EBADF;
  if (long error = check_range(at, bytes); error < 0) return error;
  Inode& inode = file.inode();
  uint64_t start = at_end ? inode.size : at;
  if (direction == Direction::kWrite && inode.is_regular())
    if (long error = check_size_limit(start, bytes); error < 0) return error;
  long done = direction == Direction::kRead ? inode.read_kernel(start, memory, bytes)
                                            : inode.write_kernel(file, start, memory, bytes);
  if (done <= 0) return done;
  at = start;
  inode.advance(at, done);
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
