// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waiting until one of several open files has something to say.
#include <linux/poll.h>
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "sys/syscall.h"

namespace mk {
namespace {

// Looks once; how many descriptors have something to say.
long poll_once(UserAddress fds, unsigned count) {
  long ready = 0;
  for (unsigned i = 0; i < count; ++i) {
    pollfd entry;
    UserAddress at = fds + i * sizeof(pollfd);
    if (!get_user(entry, at)) return -EFAULT;
    entry.revents = 0;
    if (entry.fd >= 0) {
      Ref<File> file = current().files->get(entry.fd);
      short wanted = static_cast<short>(entry.events | POLLERR | POLLHUP);
      entry.revents = file && !file->path_only() ? file->inode().poll(*file) & wanted : POLLNVAL;
      ready += entry.revents != 0;
    }
    if (!put_user(at + offsetof(pollfd, revents), entry.revents)) return -EFAULT;
  }
  return ready;
}

// Waits until something is ready, a signal, or `timeout_ns` have passed; negative: no limit.
long poll_until(UserAddress fds, unsigned count, int64_t timeout_ns) {
  if (count > current().limit(RLIMIT_NOFILE)) return -EINVAL;
  uint64_t start = now_ns();
  while (true) {
    long ready = poll_once(fds, count);
    if (ready != 0) return ready;
    if (timeout_ns >= 0 && now_ns() - start >= static_cast<uint64_t>(timeout_ns)) return 0;
    if (signal_pending(current())) return -EINTR;
    asm volatile("pause");
  }
}

}  // namespace

long sys_poll(UserAddress fds, unsigned count, int timeout_ms) {
  return poll_until(fds, count, timeout_ms < 0 ? -1 : int64_t{timeout_ms} * 1'000'000);
}

long sys_ppoll(UserAddress fds, unsigned count, UserAddress timeout, UserAddress mask, uint64_t mask_size) {
  int64_t limit_ns = -1;
  if (timeout != 0) {
    timespec time;
    if (!get_user(time, timeout)) return -EFAULT;
    if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) return -EINVAL;
    limit_ns = min(time.tv_sec, 1'000'000'000l) * 1'000'000'000 + time.tv_nsec;
  }
  if (mask == 0) return poll_until(fds, count, limit_ns);
  SignalSet blocked;
  if (mask_size != sizeof(blocked)) return -EINVAL;
  if (!get_user(blocked, mask)) return -EFAULT;
  SignalSet old = current().signals.blocked;
  current().signals.blocked = blocked & ~kUnblockable;
  long ready = poll_until(fds, count, limit_ns);
  // Pending signals that only the old mask holds back must be delivered under the new one: the frame is built
  // on the way out, and gives back the old mask.
  if (ready == -EINTR) {
    current().signals.restore_mask(old);
  } else {
    current().signals.blocked = old;
  }
  return ready;
}

}  // namespace mk
