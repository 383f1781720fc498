// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading, writing and asking of open files.
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/fs.h>

#include "fs/transfer.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// Linux's kiocb_set_rw_flags(). Without disks RWF_HIPRI, RWF_DSYNC and RWF_SYNC ask for nothing; tmpfs has no
// RWF_NOWAIT.
long check_rw_flags(const File& file, int flags) {
  constexpr int kAppends = RWF_APPEND | kRwfNoAppend;
  if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | kAppends)) return -EOPNOTSUPP;
  if ((flags & kAppends) == kAppends) return -EINVAL;
  return (flags & RWF_NOWAIT) && file.inode().is_regular() ? -EOPNOTSUPP : 0;
}

long transfer_vector(Direction direction, int fd, UserAddress vector, uint64_t count,
                     uint64_t* position = nullptr, int rw_flags = 0) {
  if (position != nullptr && static_cast<int64_t>(*position) < 0) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (position != nullptr && !file->inode().seekable()) return -ESPIPE;
  if (direction == Direction::kRead ? !file->readable() : !file->writable()) return -EBADF;
  UserParts parts;
  if (long error = parts.import(vector, count); error < 0) return error;
  if (parts.left() == 0) return 0;
  if (long error = check_rw_flags(*file, rw_flags); error < 0) return error;
  TransferGuard guard(direction, *file, position == nullptr);
  current().nowait = rw_flags & RWF_NOWAIT;
  long done = transfer(direction, *file, parts, position, appends(direction, *file, rw_flags));
  current().nowait = false;
  return done;
}

long transfer_once(Direction direction, int fd, UserBuffer buffer) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  TransferGuard guard(direction, *file, true);
  return transfer(direction, *file, buffer, nullptr, appends(direction, *file));
}

long transfer_at(Direction direction, int fd, UserBuffer buffer, int64_t offset) {
  if (offset < 0) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (!file->inode().seekable()) return -ESPIPE;
  uint64_t position = static_cast<uint64_t>(offset);
  TransferGuard guard(direction, *file, false);
  return transfer(direction, *file, buffer, &position, appends(direction, *file));
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

// Offset -1 is the file's own position.
long sys_preadv2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t, int flags) {
  return transfer_vector(Direction::kRead, fd, vector, count, offset == UINT64_MAX ? nullptr : &offset,
                         flags);
}

long sys_pwritev2(int fd, UserAddress vector, uint64_t count, uint64_t offset, uint64_t, int flags) {
  return transfer_vector(Direction::kWrite, fd, vector, count, offset == UINT64_MAX ? nullptr : &offset,
                         flags);
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
  if (whence > SEEK_HOLE) return -EINVAL;
  if (file->inode().stays_at_start()) return 0;
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
    case FIOASYNC: {
      int on;
      if (!get_user(on, argument)) return -EFAULT;
      if (on == 0) return 0;
      if (!file->inode().can_signal()) return -ENOTTY;
      log_unimplemented(__NR_ioctl, "FIOASYNC");
      return -EINVAL;
    }
    case FIONREAD:
      if (!file->inode().is_regular()) break;
      return put_user(argument, static_cast<int>(file->inode().size - file->position)) ? 0 : -EFAULT;
  }
  return file->inode().ioctl(*file, command, argument);
}

}  // namespace mk
