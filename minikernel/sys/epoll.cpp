// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/epoll.h"

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "fs/poll_set.h"
#include "sys/poll.h"
#include "sys/syscall.h"

namespace mk {
namespace {

long epoll_wait(int epfd, UserAddress events, int most, uint64_t end, UserAddress mask, uint64_t mask_size) {
  if (most <= 0) return -EINVAL;
  Ref<File> file = current().files->get(epfd);
  if (!file) return -EBADF;
  Epoll* epoll = file->inode().epoll();
  if (epoll == nullptr) return -EINVAL;
  size_t room = min(static_cast<size_t>(most), Epoll::kMostTold);
  auto* found = static_cast<epoll_event*>(kmalloc(room * sizeof(epoll_event)));
  if (found == nullptr) return -ENOMEM;
  long result = 0;
  size_t count = 0;
  do {
    PollSet set;
    result = set.add(file, POLLIN);
    if (result == 0) result = wait_with_mask(set, end, mask, mask_size);
    if (result > 0) count = epoll->collect(found, room);
    // Another thread may have been told instead.
  } while (result > 0 && count == 0 && end > now_ns());
  if (result == -kRestartNoHandler) result = -EINTR;
  if (result > 0) result = static_cast<long>(count);
  if (count > 0 && !copy_to_user(events, found, count * sizeof(epoll_event))) result = -EFAULT;
  kfree(found);
  return result;
}

uint64_t end_of(int timeout_ms) {
  return timeout_ms < 0    ? kNever
         : timeout_ms == 0 ? 0
                           : now_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
}

// EPOLLEXCLUSIVE is chosen once and for all, and does not go with every event.
bool may_be_exclusive(int operation, Inode& target, uint32_t events) {
  constexpr uint32_t kAllowed =
      EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
  if (!(events & EPOLLEXCLUSIVE) || operation == EPOLL_CTL_DEL) return true;
  if (operation == EPOLL_CTL_ADD) return target.epoll() == nullptr && !(events & ~kAllowed);
  return operation != EPOLL_CTL_MOD;
}

}  // namespace

long sys_epoll_create1(int flags) {
  if (flags & ~O_CLOEXEC) return -EINVAL;
  Result<Ref<File>> file = Epoll::make_file();
  if (!file.ok()) return file.error();
  return install(*file, flags & O_CLOEXEC);
}

long sys_epoll_create(int size) { return size <= 0 ? -EINVAL : sys_epoll_create1(0); }

long sys_epoll_ctl(int epfd, int operation, int fd, UserAddress address) {
  epoll_event event = {};
  if (operation != EPOLL_CTL_DEL && !get_user(event, address)) return -EFAULT;
  Ref<File> file = current().files->get(epfd);
  Ref<File> target = current().files->get(fd);
  if (!file || file->path_only() || !target || target->path_only()) return -EBADF;
  if (!target->inode().can_poll()) return -EPERM;
  Epoll* epoll = file->inode().epoll();
  if (epoll == nullptr || file == target) return -EINVAL;
  if (!may_be_exclusive(operation, target->inode(), event.events)) return -EINVAL;
  return epoll->control(operation, fd, target, event);
}

long sys_epoll_wait(int epfd, UserAddress events, int most, int timeout_ms) {
  return epoll_wait(epfd, events, most, end_of(timeout_ms), 0, 0);
}
long sys_epoll_pwait(int epfd, UserAddress events, int most, int timeout_ms, UserAddress mask,
                     uint64_t mask_size) {
  return epoll_wait(epfd, events, most, end_of(timeout_ms), mask, mask_size);
}
long sys_epoll_pwait2(int epfd, UserAddress events, int most, UserAddress timeout, UserAddress mask,
                      uint64_t mask_size) {
  uint64_t end = kNever;
  if (timeout != 0) {
    Result<uint64_t> given = user_deadline(timeout, false, CLOCK_MONOTONIC);
    if (!given.ok()) return given.error();
    end = *given;
  }
  return epoll_wait(epfd, events, most, end, mask, mask_size);
}

}  // namespace mk
