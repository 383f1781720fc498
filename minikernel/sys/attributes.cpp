// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls that change what a file is: mode, owner, times, size, allocated parts.
#include <asm/unistd.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "fs/memory_file.h"
#include "fs/shmem.h"
#include "fs/transfer.h"
#include "fs/vfs.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr long kTimeNow = (1l << 30) - 1, kTimeOmit = (1l << 30) - 2;  // of glibc's <sys/stat.h>

unsigned follow_flags(int flags) {
  return static_cast<unsigned>(flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
}

Result<Ref<Dentry>> of_descriptor(int fd) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return Errno{EBADF};
  return file->dentry_ref();
}

long change_mode(const Result<Ref<Dentry>>& found, unsigned mode) {
  if (!found.ok()) return found.error();
  Inode& inode = (*found)->inode();
  if (inode.is_symlink()) return -EOPNOTSUPP;
  uint32_t wanted = (inode.mode & S_IFMT) | (mode & 07777);
  long seals = inode.get_seals();
  if (seals > 0 && (seals & kSealExec) && ((wanted ^ inode.mode) & 0111)) return -EPERM;
  inode.mode = wanted;
  inode.changed_ns = wall_clock_ns();
  return 0;
}

// -1 leaves an owner as it is. Set-id bits go when the owner changes (chown(2)).
long change_owner(const Result<Ref<Dentry>>& found, uint32_t uid, uint32_t gid) {
  if (!found.ok()) return found.error();
  Inode& inode = (*found)->inode();
  if (uid != UINT32_MAX) inode.uid = uid;
  if (gid != UINT32_MAX) inode.gid = gid;
  if (!inode.is_directory()) inode.mode &= ~(S_ISUID | (inode.mode & S_IXGRP ? S_ISGID : 0));
  inode.changed_ns = wall_clock_ns();
  return 0;
}

struct Times {
  timespec accessed, modified;
};

bool is_valid(const timespec& time) {
  return time.tv_nsec == kTimeNow || time.tv_nsec == kTimeOmit ||
         (time.tv_nsec >= 0 && time.tv_nsec < static_cast<long>(kNsPerSecond));
}

void set_time(uint64_t& field, const timespec& time, uint64_t now) {
  if (time.tv_nsec == kTimeOmit) return;
  field = time.tv_nsec == kTimeNow
              ? now
              : static_cast<uint64_t>(time.tv_sec) * kNsPerSecond + static_cast<uint64_t>(time.tv_nsec);
}

long change_times(const Result<Ref<Dentry>>& found, const Times& times) {
  if (!found.ok()) return found.error();
  Inode& inode = (*found)->inode();
  uint64_t now = wall_clock_ns();
  set_time(inode.accessed_ns, times.accessed, now);
  set_time(inode.modified_ns, times.modified, now);
  inode.changed_ns = now;
  return 0;
}

constexpr Times kNow = {{0, kTimeNow}, {0, kTimeNow}};

long truncate(Inode& inode, int64_t size) {
  uint64_t limit = current().limit(RLIMIT_FSIZE);
  if (static_cast<uint64_t>(size) > inode.size && static_cast<uint64_t>(size) > limit)
    return file_too_large();
  return inode.truncate(static_cast<uint64_t>(size));
}

}  // namespace

long sys_fchmodat2(int directory, UserAddress path, unsigned mode, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return change_mode(find_at(directory, path, follow_flags(flags)), mode);
}

long sys_fchmodat(int directory, UserAddress path, unsigned mode) {
  return sys_fchmodat2(directory, path, mode, 0);
}
long sys_chmod(UserAddress path, unsigned mode) { return sys_fchmodat2(AT_FDCWD, path, mode, 0); }
long sys_fchmod(int fd, unsigned mode) { return change_mode(of_descriptor(fd), mode); }

long sys_fchownat(int directory, UserAddress path, unsigned uid, unsigned gid, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return change_owner(find_at(directory, path, follow_flags(flags)), uid, gid);
}

long sys_chown(UserAddress path, unsigned uid, unsigned gid) {
  return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}
long sys_lchown(UserAddress path, unsigned uid, unsigned gid) {
  return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}
long sys_fchown(int fd, unsigned uid, unsigned gid) { return change_owner(of_descriptor(fd), uid, gid); }

// A null path is the descriptor itself.
long sys_utimensat(int directory, UserAddress path, UserAddress times_address, int flags) {
  Times times = kNow;
  if (times_address != 0 && !get_user(times, times_address)) return -EFAULT;
  if (!is_valid(times.accessed) || !is_valid(times.modified)) return -EINVAL;
  if (times.accessed.tv_nsec == kTimeOmit && times.modified.tv_nsec == kTimeOmit) return 0;
  if (path == 0 && directory != AT_FDCWD)
    return flags != 0 ? -EINVAL : change_times(of_descriptor(directory), times);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return change_times(find_at(directory, path, follow_flags(flags)), times);
}

// futimesat and utimes, with microseconds.
long sys_futimesat(int directory, UserAddress path, UserAddress times_address) {
  Times times = kNow;
  if (times_address != 0) {
    __kernel_old_timeval in[2];
    if (!copy_from_user(in, times_address, sizeof(in))) return -EFAULT;
    for (const __kernel_old_timeval& time : in)
      if (time.tv_usec < 0 || time.tv_usec >= 1'000'000) return -EINVAL;
    times = {{in[0].tv_sec, in[0].tv_usec * 1000}, {in[1].tv_sec, in[1].tv_usec * 1000}};
  }
  if (path == 0 && directory != AT_FDCWD) return change_times(of_descriptor(directory), times);
  return change_times(find_at(directory, path, 0), times);
}

long sys_utimes(UserAddress path, UserAddress times) { return sys_futimesat(AT_FDCWD, path, times); }

long sys_utime(UserAddress path, UserAddress times_address) {
  Times times = kNow;
  if (times_address != 0) {
    int64_t in[2];
    if (!copy_from_user(in, times_address, sizeof(in))) return -EFAULT;
    times = {{in[0], 0}, {in[1], 0}};
  }
  return change_times(find_at(AT_FDCWD, path, 0), times);
}

long sys_truncate(UserAddress path, int64_t size) {
  if (size < 0) return -EINVAL;
  Result<Ref<Dentry>> found = find_at(AT_FDCWD, path, 0);
  if (!found.ok()) return found.error();
  Inode& inode = (*found)->inode();
  if (inode.is_directory()) return -EISDIR;
  if (!inode.is_regular()) return -EINVAL;
  if (long error = inode.get_write_access(); error < 0) return error;
  long error = truncate(inode, size);
  inode.put_write_access();
  return error;
}

long sys_ftruncate(int fd, int64_t size) {
  if (size < 0) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (!file->inode().is_regular() || !file->writable()) return -EINVAL;
  return truncate(file->inode(), size);
}

long sys_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return -EOPNOTSUPP;
  if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)) return -EOPNOTSUPP;
  if (!file->writable()) return -EBADF;
  Inode& inode = file->inode();
  if (inode.is_directory()) return -EISDIR;
  if (!inode.is_regular()) return S_ISFIFO(inode.mode) ? -ESPIPE : -ENODEV;
  int64_t end;
  if (__builtin_add_overflow(offset, length, &end)) return -EFBIG;
  if (!(mode & FALLOC_FL_KEEP_SIZE) && static_cast<uint64_t>(end) > current().limit(RLIMIT_FSIZE))
    return file_too_large();
  return inode.allocate(mode, static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
}

// Advice about pages that are in memory anyway.
long sys_fadvise64(int fd, int64_t, int64_t length, int advice) {
  constexpr int kLast = 5;  // POSIX_FADV_NOREUSE
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  if (S_ISFIFO(file->inode().mode)) return -ESPIPE;
  return length < 0 || advice < 0 || advice > kLast ? -EINVAL : 0;
}

long sys_umask(unsigned mask) {
  uint32_t old = current().fs->umask;
  current().fs->umask = mask & 0777;
  return old;
}

}  // namespace mk
