// SPDX-License-Identifier: GPL-2.0-or-later
//
// Making, copying and closing file descriptors.
#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "fs/vfs.h"
#include "sys/syscall.h"

namespace mk {
namespace {

int descriptor_limit() {
  return static_cast<int>(min(current().limit(RLIMIT_NOFILE), static_cast<uint64_t>(FileTable::kMaxFiles)));
}

long install(Ref<File> file, bool close_on_exec, int lowest = 0) {
  Result<int> fd = current().files->install(file, close_on_exec, lowest, descriptor_limit());
  return fd.ok() ? *fd : fd.error();
}

}  // namespace

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
  if (*path == '/' || directory_fd == AT_FDCWD) return current().fs->directory;
  Ref<File> file = current().files->get(directory_fd);
  if (!file) return Errno{EBADF};
  if (!file->inode().is_directory() && *path != 0) return Errno{ENOTDIR};
  return file->dentry_ref();
}

long sys_openat(int directory, UserAddress path_address, int flags, unsigned) {
  UserPath path(path_address);
  if (!path.ok()) return path.error();
  Result<Ref<Dentry>> base = base_directory(directory, path.text());
  if (!base.ok()) return base.error();
  Result<Ref<File>> file = vfs_open(*base, path.text(), static_cast<unsigned>(flags));
  if (!file.ok()) return file.error();
  return install(*file, flags & O_CLOEXEC);
}

long sys_open(UserAddress path, int flags, unsigned mode) { return sys_openat(AT_FDCWD, path, flags, mode); }

long sys_close(int fd) { return current().files->close(fd); }

long sys_dup(int fd) {
  Ref<File> file = current().files->get(fd);
  return file ? install(file, false) : -EBADF;
}

long sys_dup3(int from, int to, int flags) {
  if (flags & ~O_CLOEXEC) return -EINVAL;
  if (from == to) return -EINVAL;
  if (to < 0 || to >= descriptor_limit()) return -EBADF;
  Ref<File> file = current().files->get(from);
  if (!file) return -EBADF;
  long error = current().files->replace(to, file, flags & O_CLOEXEC);
  return error < 0 ? error : to;
}

long sys_dup2(int from, int to) {
  if (from == to) return current().files->is_open(from) ? to : -EBADF;
  return sys_dup3(from, to, 0);
}

long sys_fcntl(int fd, unsigned command, uint64_t argument) {
  FileTable& files = *current().files;
  Ref<File> file = files.get(fd);
  if (!file) return -EBADF;
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (argument >= static_cast<uint64_t>(descriptor_limit())) return -EINVAL;
      return install(file, command == F_DUPFD_CLOEXEC, static_cast<int>(argument));
    case F_GETFD:
      return files.close_on_exec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      files.set_close_on_exec(fd, argument & FD_CLOEXEC);
      return 0;
    case F_GETFL:
      return file->flags;
    case F_SETFL: {
      constexpr unsigned kSettable = O_APPEND | O_NONBLOCK | O_NDELAY | O_DIRECT | O_NOATIME;
      if (file->path_only()) return -EBADF;
      file->flags = (file->flags & ~kSettable) | (static_cast<unsigned>(argument) & kSettable);
      return 0;
    }
  }
  if (command == F_SETPIPE_SZ || command == F_GETPIPE_SZ)
    return file->inode().pipe_control(command, argument);
  log_unimplemented(__NR_fcntl, "this command");
  return -EINVAL;
}

}  // namespace mk
