// SPDX-License-Identifier: GPL-2.0-or-later
//
// Making, copying and closing file descriptors.
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include "fs/vfs.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr unsigned kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |
                                O_SYNC | FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW |
                                O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;

}  // namespace

long install(Ref<File> file, bool close_on_exec, int lowest) {
  Result<int> fd = current().files->install(file, close_on_exec, lowest, current().descriptor_limit());
  return fd.ok() ? *fd : fd.error();
}

UserPath::UserPath(UserAddress address) {
  text_ = static_cast<char*>(kmalloc(kPathMax));
  if (text_ == nullptr) {
    error_ = -ENOMEM;
    return;
  }
  long length = strncpy_from_user(text_, address, kPathMax);
  if (length < 0) error_ = -EFAULT;
  if (length >= static_cast<long>(kPathMax)) error_ = -ENAMETOOLONG;
}

Result<Ref<Dentry>> base_directory(int directory_fd, const char* path) {
  if (*path == '/' || directory_fd == AT_FDCWD) return current().fs->working_directory();
  Ref<File> file = current().files->get(directory_fd);
  if (!file) return Errno{EBADF};
  if (!file->inode().is_directory() && *path != 0) return Errno{ENOTDIR};
  return file->dentry_ref();
}

namespace {

long open_at(int directory, UserAddress path_address, unsigned flags, unsigned mode, unsigned walk) {
  UserPath path(path_address);
  if (!path.ok()) return path.error();
  Result<Ref<Dentry>> base = base_directory(directory, path.text());
  if (!base.ok()) return base.error();
  Result<Ref<File>> file = vfs_open(*base, path.text(), flags, mode & 07777 & ~current().fs->umask, walk);
  if (!file.ok()) return file.error();
  return install(*file, flags & O_CLOEXEC);
}

}  // namespace

long sys_openat(int directory, UserAddress path, int flags, unsigned mode) {
  return open_at(directory, path, static_cast<unsigned>(flags) & kOpenFlags, mode, 0);
}

// openat2(2): unknown flags are errors, and RESOLVE_* says how to walk. There are no mounts to cross.
long sys_openat2(int directory, UserAddress path, UserAddress how_address, uint64_t size) {
  if (size < sizeof(open_how)) return -EINVAL;
  if (size > kPathMax) return -E2BIG;
  open_how how;
  if (!get_user(how, how_address)) return -EFAULT;
  for (uint64_t i = sizeof(how); i < size; ++i) {
    char more;
    if (!get_user(more, how_address + i)) return -EFAULT;
    if (more != 0) return -E2BIG;
  }
  constexpr uint64_t kResolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                                RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
  if ((how.flags & ~static_cast<uint64_t>(kOpenFlags)) || (how.resolve & ~kResolve) || (how.mode & ~07777ul))
    return -EINVAL;
  if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT)) return -EINVAL;
  bool creates = how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
  if (how.mode != 0 && !creates) return -EINVAL;
  if ((how.resolve & RESOLVE_CACHED) && (creates || (how.flags & O_TRUNC))) return -EAGAIN;
  if ((how.flags & O_PATH) &&
      (how.flags & ~static_cast<uint64_t>(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
    return -EINVAL;
  unsigned walk = (how.resolve & RESOLVE_NO_MAGICLINKS ? kNoMagicLinks : 0) |
                  (how.resolve & RESOLVE_NO_SYMLINKS ? kNoSymlinks : 0) |
                  (how.resolve & RESOLVE_BENEATH ? kBeneath : 0) |
                  (how.resolve & RESOLVE_IN_ROOT ? kInRoot : 0);
  return open_at(directory, path, static_cast<unsigned>(how.flags), static_cast<unsigned>(how.mode), walk);
}

long sys_creat(UserAddress path, unsigned mode) {
  return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long sys_open(UserAddress path, int flags, unsigned mode) { return sys_openat(AT_FDCWD, path, flags, mode); }

long sys_close(int fd) { return current().files->close(fd); }

long sys_close_range(unsigned first, unsigned last, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
    return -EINVAL;
  if (flags & CLOSE_RANGE_UNSHARE) {
    Ref<FileTable> own = current().files->clone();
    if (!own) return -ENOMEM;
    take_files(current(), own);
  }
  if (flags & CLOSE_RANGE_CLOEXEC) {
    current().files->set_close_on_exec_range(first, last);
  } else {
    current().files->close_range(first, last);
  }
  return 0;
}

long sys_dup(int fd) {
  Ref<File> file = current().files->get(fd);
  return file ? install(file, false) : -EBADF;
}

long sys_dup3(int from, int to, int flags) {
  if (flags & ~O_CLOEXEC) return -EINVAL;
  if (from == to) return -EINVAL;
  if (to < 0 || to >= current().descriptor_limit()) return -EBADF;
  Ref<File> file = current().files->get(from);
  if (!file) return -EBADF;
  long error = current().files->replace(to, file, flags & O_CLOEXEC);
  return error < 0 ? error : to;
}

long sys_dup2(int from, int to) {
  if (from == to) return current().files->is_open(from) ? to : -EBADF;
  return sys_dup3(from, to, 0);
}
}  // namespace mk
