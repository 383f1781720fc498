// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls with descriptors of processes (fs/pid_fd.h): opening one, sending a signal, taking a copy of a
// descriptor, advice about memory.
#include <asm/mman.h>
#include <linux/fcntl.h>
#include <linux/pidfd.h>
#include <linux/uio.h>

#include "arch/x86_64/memory_layout.h"
#include "fs/pid_fd.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// Newer than the headers: PIDFD_SIGNAL_*, PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP.
constexpr unsigned kSignalThread = 1, kSignalThreadGroup = 2, kSignalProcessGroup = 4;
constexpr int kSelfThread = -10000, kSelfProcess = -10001;

// The process behind a descriptor, as long as `file` lives.
Process* process_of_fd(int fd, Ref<File>& file) {
  file = current().files->get(fd);
  return file ? process_of_file(*file) : nullptr;
}

// The same for the calls that take the numbers for whoever calls, too.
Process* process_of_fd_or_self(int fd, Ref<File>& file) {
  return fd == kSelfThread || fd == kSelfProcess ? current().process.raw() : process_of_fd(fd, file);
}

// Linux's do_pidfd_send_signal(), with tasks_lock held. `pid` is the process's number or a thread's.
long send_locked(Process& process, int pid, const siginfo_t& info, unsigned whom) {
  bool sends = info.si_signo != 0;
  if (whom == kSignalProcessGroup) {  // which has the number, whether or not the process still lives
    bool found = false;
    for (Process* other = next_process(0); other != nullptr; other = other->next) {
      if (other->group != pid) continue;
      found = true;
      if (sends) send_shared_signal_locked(*other, info);
    }
    return found ? 0 : -ESRCH;
  }
  if (process.reaped) return -ESRCH;
  if (!sends) return 0;
  if (whom == kSignalThreadGroup) {
    send_process_signal_locked(process, info);
  } else if (Task* task = find_task(pid)) {  // a thread that has ended takes everything
    send_signal_locked(*task, info);
  }
  return 0;
}

// With tasks_lock held.
Task* first_thread(const Process& process) { return process.reaped ? nullptr : process.threads; }

}  // namespace

long sys_pidfd_open(int pid, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(PIDFD_NONBLOCK)) || pid <= 0) return -EINVAL;
  Ref<Process> process;
  {
    SpinlockGuard guard(tasks_lock);
    Process* found = find_process(pid);
    if (found == nullptr) return find_task(pid) != nullptr ? -EINVAL : -ESRCH;
    process = Ref<Process>(found);
  }
  Result<Ref<File>> file = make_pid_fd(process, flags);
  return file.ok() ? install(*file, true) : file.error();
}

long sys_pidfd_send_signal(int fd, int number, UserAddress info_in, unsigned flags) {
  constexpr unsigned kKnown = kSignalThread | kSignalThreadGroup | kSignalProcessGroup;
  if ((flags & ~kKnown) || (flags & (flags - 1))) return -EINVAL;
  Ref<File> file;
  Process* process = process_of_fd_or_self(fd, file);
  if (process == nullptr) return -EBADF;
  if (number < 0 || number > kSignals) return -EINVAL;
  int pid = fd == kSelfThread ? current().pid : process->tgid;
  if (flags == 0) flags = fd == kSelfThread ? kSignalThread : kSignalThreadGroup;
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = flags == kSignalThread ? SI_TKILL : SI_USER;
  info.si_pid = current().tgid;
  if (info_in != 0) {
    if (!get_user(info, info_in)) return -EFAULT;
    if (info.si_signo != number) return -EINVAL;
    // Only to itself may a program claim what the kernel says.
    bool claims = info.si_code >= 0 || info.si_code == SI_TKILL;
    if (claims && (pid != current().pid || flags == kSignalProcessGroup)) return -EPERM;
  }
  SpinlockGuard guard(tasks_lock);
  return send_locked(*process, pid, info, flags);
}

long sys_pidfd_getfd(int fd, int target, unsigned flags) {
  if (flags != 0) return -EINVAL;
  Ref<File> file;
  Process* process = process_of_fd(fd, file);
  if (process == nullptr) return -EBADF;
  Ref<FileTable> files;
  {
    SpinlockGuard guard(tasks_lock);
    const Task* task = first_thread(*process);
    if (task == nullptr) return -ESRCH;
    files = task->files;
  }
  Ref<File> wanted = files ? files->get(target) : nullptr;
  return wanted ? install(wanted, true) : -EBADF;
}

// About another process's memory only what harms nobody may be said (Linux's process_madvise_remote_valid).
long sys_process_madvise(int fd, UserAddress vector, uint64_t count, int advice, unsigned flags) {
  if (flags != 0 || count > UIO_MAXIOV) return -EINVAL;
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(part))) return -EFAULT;
    if (static_cast<int64_t>(part.iov_len) < 0) return -EINVAL;
    total += part.iov_len;
  }
  Ref<File> file;
  Process* process = process_of_fd_or_self(fd, file);
  if (process == nullptr) return -EBADF;
  Ref<AddressSpace> mm;
  {
    SpinlockGuard guard(tasks_lock);
    if (const Task* task = first_thread(*process); task != nullptr) mm = task->mm;
  }
  if (!mm) return -ESRCH;
  constexpr int kCollapse = 25;  // MADV_COLLAPSE
  bool harmless =
      advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED || advice == kCollapse;
  if (!harmless && mm != current().mm) return -EINVAL;
  uint64_t done = 0;
  long error = 0;
  for (uint64_t i = 0; i < count && error == 0; ++i) {
    iovec part;
    if (!get_user(part, vector + i * sizeof(part))) return -EFAULT;
    error = mm->madvise(reinterpret_cast<uint64_t>(part.iov_base), part.iov_len, advice);
    if (error == 0) done += part.iov_len;
  }
  return done > 0 || error == 0 ? static_cast<long>(done) : error;
}

}  // namespace mk
