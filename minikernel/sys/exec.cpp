// SPDX-License-Identifier: GPL-2.0-or-later
//
// execve(2) and execveat(2): their arguments. proc/exec.h does it.
#include "proc/exec.h"

#include <linux/fcntl.h>

#include "fs/vfs.h"
#include "lib/log.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// An array of pointers to strings, ended by a null one; a null array is an empty one.
long read_user_strings(UserAddress array, ArgumentBuffer& out) {
  if (array == 0) return 0;
  for (UserAddress at = array;; at += sizeof(UserAddress)) {
    UserAddress string;
    if (!get_user(string, at)) return -EFAULT;
    if (string == 0) return 0;
    char part[256];
    size_t total = 0;
    while (true) {
      long length = strncpy_from_user(part, string, sizeof(part));
      if (length < 0) return -EFAULT;
      total += static_cast<size_t>(length);
      if (total >= ArgumentBuffer::kMaxString) return -E2BIG;
      bool ended = length < static_cast<long>(sizeof(part));
      if (long error = out.append(part, static_cast<size_t>(length) + (ended ? 1 : 0)); error < 0)
        return error;
      if (ended) break;
      string += sizeof(part);
    }
  }
}

// Runs what `file` is, which the program knows as `path`.
long exec_with(File& file, const char* path, UserAddress argv, UserAddress envp) {
  ArgumentBuffer arguments, environment;
  long error = read_user_strings(argv, arguments);
  if (error == 0) error = read_user_strings(envp, environment);
  // A program always has its name (Linux since 5.18).
  if (error == 0 && arguments.size() == 0) error = arguments.append_string("");
  return error < 0 ? error : exec_file(current(), file, path, arguments, environment, *current().frame);
}

// Starts with "#!": its interpreter would have to open it by name.
bool is_script(File& file) {
  char start[2];
  return file.inode().read_kernel(0, start, sizeof(start)) == 2 && start[0] == '#' && start[1] == '!';
}

// The file that a descriptor of whatever kind refers to, to be read.
Result<Ref<File>> reopen(int fd) {
  Ref<File> file = current().files->get(fd);
  if (!file) return Errno{EBADF};
  return open_dentry(file->dentry_ref(), O_RDONLY);
}

}  // namespace

long sys_execve(UserAddress path_address, UserAddress argv, UserAddress envp) {
  return sys_execveat(AT_FDCWD, path_address, argv, envp, 0);
}

// A program that a descriptor names knows itself as /dev/fd/N, or as a path behind that.
long sys_execveat(int directory, UserAddress path_address, UserAddress argv, UserAddress envp, int flags) {
  UserPath path(path_address);
  if (!path.ok()) return path.error();
  bool by_descriptor = path.empty();
  if (by_descriptor && !(flags & AT_EMPTY_PATH)) return -ENOENT;
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -EINVAL;
  Result<Ref<File>> file = Errno{ENOENT};
  if (by_descriptor && directory != AT_FDCWD) {
    file = reopen(directory);
  } else {
    Result<Ref<Dentry>> base = base_directory(directory, path.text());
    if (!base.ok()) return base.error();
    unsigned open_flags = O_RDONLY | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
    file = vfs_open(*base, by_descriptor ? "." : path.text(), open_flags);
  }
  if (!file.ok()) return file.error() == -EISDIR ? -EACCES : file.error();
  if (directory == AT_FDCWD || path.text()[0] == '/') return exec_with(**file, path.text(), argv, envp);

  if (current().files->close_on_exec(directory) && is_script(**file)) return -ENOENT;
  char* name = static_cast<char*>(kmalloc(kPathMax));
  if (name == nullptr) return -ENOMEM;
  format_text(name, kPathMax, by_descriptor ? "/dev/fd/%d" : "/dev/fd/%d/%s", directory, path.text());
  long error = exec_with(**file, name, argv, envp);
  kfree(name);
  return error;
}

}  // namespace mk
