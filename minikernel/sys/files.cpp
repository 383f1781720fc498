// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading, writing and asking of open files.
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/fs.h>
#include <linux/uio.h>

#include "fs/transfer.h"
#include "sys/syscall.h"

namespace mk {
namespace {

long transfer_vector(Direction direction, int fd, UserAddress vector, uint64_t count,
                     uint64_t* position = nullptr) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (position != nullptr && static_cast<int64_t>(*position) < 0) return -EINVAL;
  if (position != nullptr && !file->inode().seekable()) return -ESPIPE;
  if (direction == Direction::kRead ? !file->readable() : !file->writable()) return -EBADF;
  if (count > UIO_MAXIOV) return -EINVAL;
  // All parts are checked before the first is moved, as Linux's import_iovec does.
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(iovec))) return -EFAULT;
    if (static_cast<int64_t>(part.iov_len) < 0) return -EINVAL;
    total += min(part.iov_len, kMaxTransfer);
  }
  TransferGuard guard(direction, *file, position == nullptr);
  long done = 0;
  for (uint64_t i = 0; i < count && static_cast<uint64_t>(done) < min(total, kMaxTransfer); ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(iovec))) return done > 0 ? done : -EFAULT;
    if (part.iov_len == 0) continue;
    uint64_t size = min(part.iov_len, kMaxTransfer - static_cast<uint64_t>(done));
    long moved =
        transfer(direction, *file, UserBuffer{reinterpret_cast<uint64_t>(part.iov_base), size}, position);
    if (moved < 0) return done > 0 ? done : moved;
    done += moved;
    if (static_cast<uint64_t>(moved) < size) break;
  }
  return done;
}

long transfer_once(Direction direction, int fd, UserBuffer buffer) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  TransferGuard guard(direction, *file, true);
  return transfer(direction, *file, buffer, nullptr);
}

long transfer_at(Direction direction, int fd, UserBuffer buffer, int64_t offset) {
  if (offset < 0) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (!file->inode().seekable()) return -ESPIPE;
  uint64_t position = static_cast<uint64_t>(offset);
  TransferGuard guard(direction, *file, false);
  return transfer(direction, *file, buffer, &position);
}

}  // namespace

long sys_read(int fd, UserAddress buffer, uint64_t size) {
  return transfer_once(Direction::kRead, fd, UserBuffer{buffer, size});
}

long sys_write(int fd, UserAddress buffer, uint64_t size) {
  return transfer_once(Direction::kWrite, fd, UserBuffer{buffer, size});
}

long sys_readv(int fd, UserAddress vector, uint64_t count) {
  return transfer_vector(Direction::kRead, fd, vector, count);
}

long sys_writev(int fd, UserAddress vector, uint64_t count) {
  return transfer_vector(Direction::kWrite, fd, vector, count);
}

// The high half of the offset is for 32-bit machines.
long sys_preadv(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t) {
  return transfer_vector(Direction::kRead, fd, vector, count, &offset);
}

long sys_pwritev(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t) {
  return transfer_vector(Direction::kWrite, fd, vector, count, &offset);
}

namespace {

// preadv2 and pwritev2. Without disks RWF_HIPRI, RWF_DSYNC and RWF_SYNC ask for nothing; tmpfs has no
// RWF_NOWAIT. Offset -1 is the file's own position.
long transfer_flagged(Direction direction, int fd, UserAddress vector, uint64_t count, uint64_t offset,
                      int flags) {
  if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT)) return -EOPNOTSUPP;
  Ref<File> file = flags & RWF_NOWAIT ? current().files->get(fd) : nullptr;
  if (file && file->inode().is_regular()) return -EOPNOTSUPP;
  current().nowait = flags & RWF_NOWAIT;
  long done = transfer_vector(direction, fd, vector, count, offset == UINT64_MAX ? nullptr : &offset);
  current().nowait = false;
  return done;
}

}  // namespace

long sys_preadv2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t, int flags) {
  return transfer_flagged(Direction::kRead, fd, vector, count, offset, flags);
}

long sys_pwritev2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t, int flags) {
  return transfer_flagged(Direction::kWrite, fd, vector, count, offset, flags);
}

long sys_pread64(int fd, UserAddress buffer, uint64_t size, int64_t offset) {
  return transfer_at(Direction::kRead, fd, UserBuffer{buffer, size}, offset);
}

long sys_pwrite64(int fd, UserAddress buffer, uint64_t size, int64_t offset) {
  return transfer_at(Direction::kWrite, fd, UserBuffer{buffer, size}, offset);
}

long sys_lseek(int fd, int64_t offset, unsigned whence) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (!file->inode().seekable()) return -ESPIPE;
  PositionGuard guard(*file);
  if (!file->inode().has_end() && whence != SEEK_SET && whence != SEEK_CUR) return -EINVAL;
  int64_t size = static_cast<int64_t>(file->inode().size);
  int64_t start = 0;
  switch (whence) {
    case SEEK_SET:
      break;
    case SEEK_CUR:
      start = static_cast<int64_t>(file->position);
      break;
    case SEEK_END:
      start = size;
      break;
    case SEEK_DATA:
    case SEEK_HOLE:
      if (offset < 0) return -ENXIO;
      offset = file->inode().seek_data_or_hole(static_cast<uint64_t>(offset), whence == SEEK_HOLE);
      if (offset < 0) return offset;
      break;
    default:
      return -EINVAL;
  }
  int64_t position;
  if (__builtin_add_overflow(start, offset, &position)) return -EOVERFLOW;
  if (position < 0) return -EINVAL;
  file->position = static_cast<uint64_t>(position);
  return position;
}

long sys_ioctl(int fd, unsigned command, uint64_t argument) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  switch (command) {
    case FIOCLEX:
      current().files->set_close_on_exec(fd, true);
      return 0;
    case FIONCLEX:
      current().files->set_close_on_exec(fd, false);
      return 0;
    case FIONBIO: {
      int on;
      if (!get_user(on, argument)) return -EFAULT;
      file->flags = on != 0 ? file->flags | O_NONBLOCK : file->flags & ~static_cast<unsigned>(O_NONBLOCK);
      return 0;
    }
    case FIONREAD:
      if (!file->inode().is_regular()) break;
      return put_user(argument, static_cast<int>(file->inode().size - file->position)) ? 0 : -EFAULT;
  }
  return file->inode().ioctl(*file, command, argument);
}

}  // namespace mk
