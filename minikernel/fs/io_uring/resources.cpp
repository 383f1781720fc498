// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/io_uring/resources.h"

#include <linux/io_uring.h>
#include <linux/uio.h>

#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kMostBytes = 1ul << 30;  // of a buffer

// One of a table; without an address it stays empty (Linux's io_buffer_validate).
Result<Ref<PinnedPages>> pin_buffer(const iovec& part) {
  auto address = reinterpret_cast<uint64_t>(part.iov_base);
  if (address == 0 && part.iov_len == 0) return Ref<PinnedPages>();
  if (address == 0 || part.iov_len == 0 || part.iov_len > kMostBytes) return Errno{EFAULT};
  if (address + part.iov_len < address) return Errno{EOVERFLOW};
  return PinnedPages::take(*current().mm, address, part.iov_len, kFollPin | kFollWrite | kFollLongterm);
}

}  // namespace

long Resources::register_buffers(uint64_t vector, uint32_t count) {
  if (buffers_.size() > 0) return -EBUSY;
  if (count == 0 || count > buffers_.kMost) return -EINVAL;
  long error = buffers_.resize(count);
  for (uint32_t i = 0; i < count && error == 0; ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(part))) {
      error = -EFAULT;
      break;
    }
    Result<Ref<PinnedPages>> pages = pin_buffer(part);
    if (pages.ok()) {
      buffers_[i] = *pages;
    } else {
      error = pages.error();
    }
  }
  if (error < 0) buffers_.clear();
  return error;
}

long Resources::unregister_buffers() {
  if (buffers_.size() == 0) return -ENXIO;
  buffers_.clear();
  return 0;
}

// Descriptor -1 leaves a place empty. A ring would keep itself alive.
Result<Ref<File>> Resources::registrable_file(int fd) {
  if (fd == -1) return Ref<File>();
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only() || file->inode().io_ring() != nullptr) return Errno{EBADF};
  return file;
}

long Resources::register_files(uint64_t descriptors, uint32_t count) {
  if (files_.size() > 0) return -EBUSY;
  if (count == 0) return -EINVAL;
  if (count > files_.kMost || count > current().limit(RLIMIT_NOFILE)) return -EMFILE;
  long error = files_.resize(count);
  for (uint32_t i = 0; i < count && error == 0; ++i) {
    int fd;
    if (!get_user(fd, descriptors + i * sizeof(fd))) {
      error = -EFAULT;
      break;
    }
    Result<Ref<File>> file = registrable_file(fd);
    if (file.ok()) {
      files_[i] = *file;
    } else {
      error = file.error();
    }
  }
  if (error < 0) files_.clear();
  return error;
}

long Resources::unregister_files() {
  if (files_.size() == 0) return -ENXIO;
  files_.clear();
  return 0;
}

long Resources::update_files(uint64_t address, uint32_t count) {
  io_uring_files_update update;
  if (count == 0) return -EINVAL;
  if (!get_user(update, address)) return -EFAULT;
  if (update.resv != 0) return -EINVAL;
  if (files_.size() == 0) return -ENXIO;
  if (update.offset + count < count) return -EOVERFLOW;
  if (update.offset + count > files_.size()) return -EINVAL;
  long done = 0;
  for (uint32_t i = 0; i < count; ++i, ++done) {
    int fd;
    if (!get_user(fd, update.fds + i * sizeof(fd))) return done > 0 ? done : -EFAULT;
    if (fd == IORING_REGISTER_FILES_SKIP) continue;
    Result<Ref<File>> file = registrable_file(fd);
    if (!file.ok()) return done > 0 ? done : file.error();
    files_[update.offset + i] = *file;
  }
  return done;
}

long Resources::register_event_fd(uint64_t descriptor, bool only_async) {
  int fd;
  if (!get_user(fd, descriptor)) return -EFAULT;
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  if (!file->inode().is_event_fd()) return -EINVAL;
  SpinlockGuard guard(event_lock_);
  if (event_fd_) return -EBUSY;
  event_fd_.swap(file);
  only_async_ = only_async;
  return 0;
}

long Resources::unregister_event_fd() {
  Ref<File> old;
  SpinlockGuard guard(event_lock_);
  event_fd_.swap(old);
  return old ? 0 : -ENXIO;
}

Ref<File> Resources::event_fd(bool async) {
  SpinlockGuard guard(event_lock_);
  return only_async_ && !async ? Ref<File>() : event_fd_;
}

void Resources::clear() {
  buffers_.clear();
  files_.clear();
  unregister_event_fd();
}

}  // namespace mk
