// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls that ask about a name: status, access, links. The program runs as root, so permission bits only
// matter where they do for root: a regular file is executable when some x bit is set.
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/vfs.h"
#include "lib/string.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kBlockSize = 4096;
constexpr uint64_t kNsPerSecond = 1'000'000'000;

// st_dev: a number for each file system.
uint64_t device_number(const Inode& inode) { return 1 + static_cast<uint64_t>(inode.file_system); }

struct stat status_of(const Inode& inode) {
  struct stat status;
  memset(&status, 0, sizeof(status));
  status.st_dev = device_number(inode);
  status.st_ino = inode.number;
  status.st_nlink = inode.links;
  status.st_mode = inode.mode;
  status.st_uid = inode.uid;
  status.st_gid = inode.gid;
  status.st_rdev = inode.device;
  status.st_size = static_cast<long>(inode.size);
  status.st_blksize = kBlockSize;
  status.st_blocks = static_cast<long>(inode.blocks());
  status.st_atime = inode.accessed_ns / kNsPerSecond;
  status.st_atime_nsec = inode.accessed_ns % kNsPerSecond;
  status.st_mtime = inode.modified_ns / kNsPerSecond;
  status.st_mtime_nsec = inode.modified_ns % kNsPerSecond;
  status.st_ctime = inode.changed_ns / kNsPerSecond;
  status.st_ctime_nsec = inode.changed_ns % kNsPerSecond;
  return status;
}

statx_timestamp to_timestamp(uint64_t ns) {
  statx_timestamp time;
  memset(&time, 0, sizeof(time));
  time.tv_sec = static_cast<int64_t>(ns / kNsPerSecond);
  time.tv_nsec = static_cast<uint32_t>(ns % kNsPerSecond);
  return time;
}

struct statx extended_status_of(const Inode& inode) {
  struct statx status;
  memset(&status, 0, sizeof(status));
  status.stx_mask = STATX_BASIC_STATS;
  status.stx_blksize = kBlockSize;
  status.stx_nlink = inode.links;
  status.stx_uid = inode.uid;
  status.stx_gid = inode.gid;
  status.stx_mode = static_cast<uint16_t>(inode.mode);
  status.stx_ino = inode.number;
  status.stx_size = inode.size;
  status.stx_blocks = inode.blocks();
  status.stx_atime = to_timestamp(inode.accessed_ns);
  status.stx_mtime = to_timestamp(inode.modified_ns);
  status.stx_ctime = to_timestamp(inode.changed_ns);
  status.stx_rdev_major = static_cast<uint32_t>(inode.device >> 8);
  status.stx_rdev_minor = static_cast<uint32_t>(inode.device & 0xff);
  status.stx_dev_minor = static_cast<uint32_t>(device_number(inode));
  return status;
}

long stat_at(int directory, UserAddress path, unsigned flags, UserAddress out) {
  Result<Ref<Dentry>> found = find_at(directory, path, flags);
  if (!found.ok()) return found.error();
  return put_user(out, status_of((*found)->inode())) ? 0 : -EFAULT;
}

long access_at(int directory, UserAddress path, int mode, unsigned flags) {
  constexpr int kExecute = 1, kWrite = 2, kRead = 4;
  if (mode & ~(kExecute | kWrite | kRead)) return -EINVAL;
  if (flags & ~static_cast<unsigned>(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  Result<Ref<Dentry>> found = find_at(directory, path, flags);
  if (!found.ok()) return found.error();
  const Inode& inode = (*found)->inode();
  if ((mode & kExecute) && inode.is_regular() && !(inode.mode & 0111)) return -EACCES;
  return 0;
}

}  // namespace

Result<Ref<Dentry>> find_at(int directory, UserAddress path_address, unsigned flags) {
  UserPath path(path_address);
  if (!path.ok()) return Errno{static_cast<int>(-path.error())};
  if (path.empty() && !(flags & AT_EMPTY_PATH)) return Errno{ENOENT};
  Result<Ref<Dentry>> base = base_directory(directory, path.text());
  if (!base.ok() || path.empty()) return base;
  return resolve(*base, path.text(), flags & AT_SYMLINK_NOFOLLOW ? kNoFollow : 0);
}

long sys_stat(UserAddress path, UserAddress out) { return stat_at(AT_FDCWD, path, 0, out); }
long sys_lstat(UserAddress path, UserAddress out) {
  return stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, out);
}

long sys_fstat(int fd, UserAddress out) {
  Ref<File> file = current().files->get(fd);
  if (!file) return -EBADF;
  return put_user(out, status_of(file->inode())) ? 0 : -EFAULT;
}

long sys_newfstatat(int directory, UserAddress path, UserAddress out, int flags) {
  constexpr int kKnown = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
  if (flags & ~kKnown) return -EINVAL;
  return stat_at(directory, path, static_cast<unsigned>(flags), out);
}

long sys_statx(int directory, UserAddress path, unsigned flags, unsigned mask, UserAddress out) {
  constexpr unsigned kKnown = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
  if ((flags & ~kKnown) || (mask & STATX__RESERVED)) return -EINVAL;
  Result<Ref<Dentry>> found = find_at(directory, path, flags);
  if (!found.ok()) return found.error();
  return put_user(out, extended_status_of((*found)->inode())) ? 0 : -EFAULT;
}

long sys_access(UserAddress path, int mode) { return access_at(AT_FDCWD, path, mode, 0); }
long sys_faccessat(int directory, UserAddress path, int mode) { return access_at(directory, path, mode, 0); }
long sys_faccessat2(int directory, UserAddress path, int mode, int flags) {
  return access_at(directory, path, mode, static_cast<unsigned>(flags));
}

long sys_readlinkat(int directory, UserAddress path, UserAddress buffer, int size) {
  if (size <= 0) return -EINVAL;
  Result<Ref<Dentry>> found = find_at(directory, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (!found.ok()) return found.error();
  char* target = static_cast<char*>(kmalloc(kPathMax));
  if (target == nullptr) return -ENOMEM;
  long length = (*found)->inode().readlink(target, min(static_cast<size_t>(size), kPathMax));
  if (length > 0 && !copy_to_user(buffer, target, static_cast<size_t>(length))) length = -EFAULT;
  kfree(target);
  return length;
}

long sys_readlink(UserAddress path, UserAddress buffer, int size) {
  return sys_readlinkat(AT_FDCWD, path, buffer, size);
}

}  // namespace mk
