// SPDX-License-Identifier: GPL-2.0-or-later
//
// fcntl(2): Linux fs/fcntl.c. Who is to be told of input, and by which signal, is remembered; nobody is told,
// so O_ASYNC is EINVAL for files that could (Linux ignores it for the others).
#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "sys/syscall.h"

namespace mk {
namespace {

// With tasks_lock held: whether such a task, process or group is there.
bool is_there(int type, int pid) {
  if (type == F_OWNER_TID) return find_task(pid) != nullptr;
  if (type == F_OWNER_PID) return find_process(pid) != nullptr;
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    if (process->group == pid) return true;
  return false;
}

long set_owner(File& file, int type, int pid) {
  SpinlockGuard guard(tasks_lock);
  // Linux's find_vpid() is content with a number that is anything at all.
  if (pid != 0 && !is_there(F_OWNER_TID, pid) && !is_there(F_OWNER_PID, pid) && !is_there(F_OWNER_PGRP, pid))
    return -ESRCH;
  file.owner = {type, pid};
  return 0;
}

f_owner_ex owner_of(File& file) {
  SpinlockGuard guard(tasks_lock);
  f_owner_ex owner = {file.owner.type, file.owner.pid};
  if (!is_there(owner.type, owner.pid)) owner.pid = 0;
  return owner;
}

long set_any_owner(File& file, UserAddress address) {
  f_owner_ex owner;
  if (!get_user(owner, address)) return -EFAULT;
  if (owner.type < F_OWNER_TID || owner.type > F_OWNER_PGRP) return -EINVAL;
  return set_owner(file, owner.type, owner.pid);
}

// Minus means a group.
long set_plain_owner(File& file, int who) {
  if (who == INT32_MIN) return -EINVAL;
  return who < 0 ? set_owner(file, F_OWNER_PGRP, -who) : set_owner(file, F_OWNER_PID, who);
}

long get_plain_owner(File& file) {
  f_owner_ex owner = owner_of(file);
  return owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
}

long set_flags(File& file, unsigned wanted) {
  constexpr unsigned kSettable = O_APPEND | O_NONBLOCK | O_NDELAY | O_DIRECT | O_NOATIME;
  bool fifo = S_ISFIFO(file.inode().mode);  // packets
  if ((wanted & O_DIRECT) && !fifo && !file.inode().can_direct()) return -EINVAL;
  if ((wanted & FASYNC) && file.inode().can_signal()) {
    log_unimplemented(__NR_fcntl, "O_ASYNC");
    return -EINVAL;
  }
  file.flags = (file.flags & ~kSettable) | (wanted & kSettable);
  return 0;
}

// What can be done with a file that is open with O_PATH, too.
bool is_of_descriptor(unsigned command) {
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_GETFD:
    case F_SETFD:
    case F_GETFL:
      return true;
  }
  return false;
}

}  // namespace

long sys_fcntl(int fd, unsigned command, uint64_t argument) {
  FileTable& files = *current().files;
  Ref<File> file = files.get(fd);
  if (!file || (file->path_only() && !is_of_descriptor(command))) return -EBADF;
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (argument >= static_cast<uint64_t>(current().descriptor_limit())) return -EINVAL;
      return install(file, command == F_DUPFD_CLOEXEC, static_cast<int>(argument));
    case F_GETFD:
      return files.close_on_exec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      files.set_close_on_exec(fd, argument & FD_CLOEXEC);
      return 0;
    case F_GETFL:
      return file->flags;
    case F_SETFL:
      return set_flags(*file, static_cast<unsigned>(argument));
    case F_GETOWN:
      return get_plain_owner(*file);
    case F_SETOWN:
      return set_plain_owner(*file, static_cast<int>(argument));
    case F_GETOWN_EX:
      return put_user(argument, owner_of(*file)) ? 0 : -EFAULT;
    case F_SETOWN_EX:
      return set_any_owner(*file, argument);
    case F_GETSIG:
      return file->async_signal;
    case F_SETSIG:
      if (argument > static_cast<uint64_t>(kSignals)) return -EINVAL;
      file->async_signal = static_cast<int>(argument);
      return 0;
    case F_GET_SEALS:
      return file->inode().get_seals();
    case F_ADD_SEALS:
      return file->writable() ? file->inode().add_seals(static_cast<uint32_t>(argument)) : -EPERM;
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
      return file->inode().pipe_control(command, argument);
  }
  log_unimplemented(__NR_fcntl, "this command");
  return -EINVAL;
}

}  // namespace mk
