// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls that make, remove and change names (fs/names.h does it).
#include "fs/names.h"

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/dev.h"
#include "fs/fifo.h"
#include "fs/memory_file.h"
#include "fs/vfs.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// A path argument of an *at call and where it starts. A name is always needed: "" is ENOENT.
class PathAt {
 public:
  PathAt(int directory, UserAddress address) : path_(address) {
    if (!path_.ok()) {
      error_ = path_.error();
    } else if (path_.empty()) {
      error_ = -ENOENT;
    } else {
      Result<Ref<Dentry>> base = base_directory(directory, path_.text());
      error_ = base.error();
      base_ = *base;
    }
  }
  bool ok() const { return error_ == 0; }
  long error() const { return error_; }
  const Ref<Dentry>& base() const { return base_; }
  const char* text() const { return path_.text(); }

 private:
  UserPath path_;
  Ref<Dentry> base_;
  long error_ = 0;
};

uint32_t without_umask(unsigned mode) { return mode & 07777 & ~current().fs->umask; }

}  // namespace

long sys_mkdirat(int directory, UserAddress path, unsigned mode) {
  PathAt at(directory, path);
  return at.ok() ? vfs_mkdir(at.base(), at.text(), without_umask(mode) & 01777) : at.error();
}

long sys_mkdir(UserAddress path, unsigned mode) { return sys_mkdirat(AT_FDCWD, path, mode); }

// Regular files, FIFOs, and the devices that there are.
long sys_mknodat(int directory, UserAddress path, unsigned mode, unsigned device) {
  if (S_ISDIR(mode)) return -EPERM;
  PathAt at(directory, path);
  if (!at.ok()) return at.error();
  Ref<Inode> inode;
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
      inode = make<MemoryFile>(S_IFREG | without_umask(mode));
      break;
    case S_IFCHR:
      if (!is_known_device(device)) return -EPERM;
      inode = make_device_file(device);
      if (inode) inode->mode = S_IFCHR | without_umask(mode);
      break;
    case S_IFIFO:
      inode = make_fifo(without_umask(mode));
      break;
    case S_IFBLK:
    case S_IFSOCK:
      return -EPERM;  // as a file system without such files
    default:
      return -EINVAL;
  }
  return inode ? vfs_make_node(at.base(), at.text(), inode) : -ENOMEM;
}

long sys_mknod(UserAddress path, unsigned mode, unsigned device) {
  return sys_mknodat(AT_FDCWD, path, mode, device);
}

long sys_symlinkat(UserAddress target_address, int directory, UserAddress path) {
  UserPath target(target_address);
  if (!target.ok()) return target.error();
  PathAt at(directory, path);
  return at.ok() ? vfs_symlink(target.text(), at.base(), at.text()) : at.error();
}

long sys_symlink(UserAddress target, UserAddress path) { return sys_symlinkat(target, AT_FDCWD, path); }

long sys_linkat(int from_directory, UserAddress from, int to_directory, UserAddress to, int flags) {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  unsigned find_flags = static_cast<unsigned>(flags & AT_EMPTY_PATH);
  if (!(flags & AT_SYMLINK_FOLLOW)) find_flags |= AT_SYMLINK_NOFOLLOW;
  Result<Ref<Dentry>> source = find_at(from_directory, from, find_flags);
  if (!source.ok()) return source.error();
  PathAt at(to_directory, to);
  return at.ok() ? vfs_link(*source, at.base(), at.text()) : at.error();
}

long sys_link(UserAddress from, UserAddress to) { return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

long sys_unlinkat(int directory, UserAddress path, int flags) {
  if (flags & ~AT_REMOVEDIR) return -EINVAL;
  PathAt at(directory, path);
  if (!at.ok()) return at.error();
  return flags & AT_REMOVEDIR ? vfs_rmdir(at.base(), at.text()) : vfs_unlink(at.base(), at.text());
}

long sys_unlink(UserAddress path) { return sys_unlinkat(AT_FDCWD, path, 0); }
long sys_rmdir(UserAddress path) { return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

long sys_renameat2(int from_directory, UserAddress from_path, int to_directory, UserAddress to_path,
                   unsigned flags) {
  PathAt from(from_directory, from_path);
  if (!from.ok()) return from.error();
  PathAt to(to_directory, to_path);
  if (!to.ok()) return to.error();
  return vfs_rename(from.base(), from.text(), to.base(), to.text(), flags);
}

long sys_renameat(int from_directory, UserAddress from, int to_directory, UserAddress to) {
  return sys_renameat2(from_directory, from, to_directory, to, 0);
}

long sys_rename(UserAddress from, UserAddress to) { return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

}  // namespace mk
