// SPDX-License-Identifier: GPL-2.0-or-later
//
// File systems as a whole. There is one tree with everything in its place: mounting what is there already
// (tmpfs, proc, sysfs, debugfs, devtmpfs) succeeds and changes nothing. All of it is memory: sync has nothing
// to do.
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

#include "fs/memory_file.h"
#include "fs/vfs.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kProcMagic = 0x9fa0;

struct statfs status_of(const Inode& inode) {
  struct statfs status;
  memset(&status, 0, sizeof(status));
  status.f_bsize = status.f_frsize = 4096;
  status.f_namelen = kNameMax;
  status.f_fsid.val[0] = 1 + static_cast<int>(inode.file_system);
  status.f_flags = 0x20;  // ST_VALID
  switch (inode.file_system) {
    case FileSystem::kProc:
      status.f_type = kProcMagic;
      break;
    case FileSystem::kSys:
      status.f_type = SYSFS_MAGIC;
      break;
    case FileSystem::kAnonymous:
      status.f_type = S_ISFIFO(inode.mode) ? PIPEFS_MAGIC : ANON_INODE_FS_MAGIC;
      break;
    default:
      status.f_type = TMPFS_MAGIC;
      status.f_blocks = static_cast<long>(tmpfs_pages_limit());
      status.f_bfree = status.f_bavail = static_cast<long>(tmpfs_pages_limit() - tmpfs_pages_used());
      status.f_files = status.f_ffree = static_cast<long>(tmpfs_pages_limit());
  }
  return status;
}

bool is_there_already(const char* type) {
  static constexpr const char* kKnown[] = {"tmpfs", "proc", "sysfs", "debugfs", "devtmpfs", "ramfs"};
  for (const char* known : kKnown)
    if (strcmp(type, known) == 0) return true;
  return false;
}

}  // namespace

long sys_statfs(UserAddress path, UserAddress out) {
  Result<Ref<Dentry>> found = find_at(AT_FDCWD, path, 0);
  if (!found.ok()) return found.error();
  return put_user(out, status_of((*found)->inode())) ? 0 : -EFAULT;
}

long sys_fstatfs(int fd, UserAddress out) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  return put_user(out, status_of(file->inode())) ? 0 : -EFAULT;
}

long sys_mount(UserAddress, UserAddress target, UserAddress type_address, uint64_t, UserAddress) {
  Result<Ref<Dentry>> found = find_at(AT_FDCWD, target, 0);
  if (!found.ok()) return found.error();
  if (type_address == 0) return -EINVAL;  // of a remount or a bind mount
  UserPath type(type_address);
  if (!type.ok()) return type.error();
  if (!(*found)->inode().is_directory()) return -ENOTDIR;
  if (is_there_already(type.text())) return 0;
  log_unimplemented(__NR_mount, type.text());
  return -ENODEV;
}

long sys_umount2(UserAddress target, int flags) {
  constexpr int kKnown = 15;  // MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW
  if (flags & ~kKnown) return -EINVAL;
  Result<Ref<Dentry>> found = find_at(AT_FDCWD, target, flags & 8 ? AT_SYMLINK_NOFOLLOW : 0);
  if (!found.ok()) return found.error();
  return (*found)->inode().is_directory() ? 0 : -EINVAL;
}

long sys_sync() { return 0; }

// fsync, fdatasync, syncfs.
long sys_fsync(int fd) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  uint32_t type = file->inode().mode & S_IFMT;
  return type == S_IFREG || type == S_IFDIR ? 0 : -EINVAL;
}

long sys_syncfs(int fd) {
  Ref<File> file = current().files->get(fd);
  return file && !file->path_only() ? 0 : -EBADF;
}

}  // namespace mk
