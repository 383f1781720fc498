// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading, writing and asking of open files.
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/time.h>
#include <linux/uio.h>

#include "arch/x86_64/clock.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kMaxTransfer = 0x7ffff000;  // Linux's MAX_RW_COUNT

enum class Direction { kRead, kWrite };

// One transfer; with `position` null at the file's own position, which moves.
long transfer(Direction direction, File& file, UserBuffer buffer, uint64_t* position) {
  if (direction == Direction::kRead ? !file.readable() : !file.writable()) return -EBADF;
  if (buffer.address + buffer.size < buffer.address) return -EFAULT;
  buffer.size = min(buffer.size, static_cast<size_t>(kMaxTransfer));
  uint64_t& at = position != nullptr ? *position : file.position;
  // Asked before the size: a directory or a device that cannot be read says so for 0 bytes too.
  Inode& inode = file.inode();
  long done = direction == Direction::kRead ? inode.read(file, at, buffer) : inode.write(file, at, buffer);
  if (done > 0) at += static_cast<uint64_t>(done);
  return done;
}

long transfer_vector(Direction direction, int fd, UserAddress vector, uint64_t count) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
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
  long done = 0;
  for (uint64_t i = 0; i < count && static_cast<uint64_t>(done) < min(total, kMaxTransfer); ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(iovec))) return done > 0 ? done : -EFAULT;
    if (part.iov_len == 0) continue;
    uint64_t size = min(part.iov_len, kMaxTransfer - static_cast<uint64_t>(done));
    long moved =
        transfer(direction, *file, UserBuffer{reinterpret_cast<uint64_t>(part.iov_base), size}, nullptr);
    if (moved < 0) return done > 0 ? done : moved;
    done += moved;
    if (static_cast<uint64_t>(moved) < size) break;
  }
  return done;
}

long transfer_at(Direction direction, int fd, UserBuffer buffer, int64_t offset) {
  if (offset < 0) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (!file->inode().seekable()) return -ESPIPE;
  uint64_t position = static_cast<uint64_t>(offset);
  return transfer(direction, *file, buffer, &position);
}

}  // namespace

long sys_read(int fd, UserAddress buffer, uint64_t size) {
  Ref<File> file = current().files->get(fd);
  return file ? transfer(Direction::kRead, *file, UserBuffer{buffer, size}, nullptr) : -EBADF;
}

long sys_write(int fd, UserAddress buffer, uint64_t size) {
  Ref<File> file = current().files->get(fd);
  return file ? transfer(Direction::kWrite, *file, UserBuffer{buffer, size}, nullptr) : -EBADF;
}

long sys_readv(int fd, UserAddress vector, uint64_t count) {
  return transfer_vector(Direction::kRead, fd, vector, count);
}

long sys_writev(int fd, UserAddress vector, uint64_t count) {
  return transfer_vector(Direction::kWrite, fd, vector, count);
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
    case SEEK_DATA:  // files have no holes: data up to the end, one hole after it
    case SEEK_HOLE:
      if (offset < 0 || offset >= size) return -ENXIO;
      if (whence == SEEK_HOLE) offset = size;
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
  }
  return file->inode().ioctl(*file, command, argument);
}

namespace {

struct DirectoryEntry {  // struct linux_dirent64 without its name
  uint64_t inode;
  int64_t next;
  uint16_t length;
  uint8_t type;
} __attribute__((packed));

class DirectoryWriter {
 public:
  DirectoryWriter(UserAddress buffer, unsigned size) : buffer_(buffer), size_(size) {}

  // False when it does not fit or cannot be written; error() tells which.
  bool add(const Inode& inode, const char* name, size_t name_length, uint64_t next) {
    size_t length = (sizeof(DirectoryEntry) + name_length + 1 + 7) & ~7ul;
    if (length > size_ - done_) {
      error_ = -EINVAL;
      return false;
    }
    alignas(8) char record[sizeof(DirectoryEntry) + 256 + 8] = {};
    DirectoryEntry header = {inode.number, static_cast<int64_t>(next), static_cast<uint16_t>(length),
                             static_cast<uint8_t>((inode.mode & S_IFMT) >> 12)};
    memcpy(record, &header, sizeof(header));
    memcpy(record + sizeof(header), name, name_length);
    if (!copy_to_user(buffer_ + done_, record, length)) {
      error_ = -EFAULT;
      return false;
    }
    done_ += length;
    return true;
  }
  long result() const { return done_ > 0 ? static_cast<long>(done_) : error_; }

 private:
  UserAddress buffer_;
  size_t size_;
  size_t done_ = 0;
  long error_ = 0;
};

}  // namespace

// Positions: 0 is ".", 1 is "..", then the children in the order in which they were made.
long sys_getdents64(int fd, UserAddress buffer, unsigned size) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (!file->inode().is_directory()) return -ENOTDIR;
  Dentry& directory = file->dentry();
  DirectoryWriter writer(buffer, size);
  uint64_t position = file->position;
  if (position == 0 && writer.add(directory.inode(), ".", 1, 1)) position = 1;
  if (position == 1 && writer.add(directory.parent().inode(), "..", 2, 2)) position = 2;
  if (position >= 2) {
    Dentry* child = directory.first_child();
    for (uint64_t i = 2; i < position && child != nullptr; ++i) child = child->next_sibling();
    for (; child != nullptr; child = child->next_sibling(), ++position)
      if (!writer.add(child->inode(), child->name(), child->name_length(), position + 1)) break;
  }
  file->position = position;
  return writer.result();
}

}  // namespace mk
