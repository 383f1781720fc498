// SPDX-License-Identifier: GPL-2.0-or-later
//
// epoll(7), as far as programs with a handful of descriptors use it: level-triggered, EPOLLONESHOT, and
// EPOLLET as "when the file has woken its waiters since it was last told". A descriptor is known by its
// number and its open file; one that is closed leaves the set when that is next looked at.
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/time.h>

#include "arch/x86_64/clock.h"
#include "fs/poll_set.h"
#include "sys/poll.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint32_t kModes = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

class Epoll final : public Inode {
 public:
  Epoll() : Inode(0600) {}
  ~Epoll() {
    while (items_ != nullptr) drop(&items_);
  }

  long control(int operation, int fd, const Ref<File>& file, const epoll_event& event) {
    MutexGuard guard(mutex_);
    forget_closed();
    Item** link = find(fd);
    switch (operation) {
      case EPOLL_CTL_ADD: {
        if (*link != nullptr) return -EEXIST;
        Item* item = create<Item>(Item{fd, file.raw(), event, 0, false, true, nullptr});
        if (item == nullptr) return -ENOMEM;
        *link = item;
        return 0;
      }
      case EPOLL_CTL_MOD:
        if (*link == nullptr) return -ENOENT;
        (*link)->event = event;
        (*link)->armed = true;
        (*link)->told = false;
        return 0;
      case EPOLL_CTL_DEL:
        if (*link == nullptr) return -ENOENT;
        drop(link);
        return 0;
    }
    return -EINVAL;
  }

  // What is ready, up to `most`, written to the program. `set` has been waited for, item by item.
  long collect(UserAddress out, int most) {
    MutexGuard guard(mutex_);
    long count = 0;
    for (Item* item = items_; item != nullptr && count < most; item = item->next) {
      Ref<File> file = current().files->get(item->fd);
      if (!item->armed || file.raw() != item->file) continue;
      auto ready = static_cast<uint32_t>(file->inode().poll(*file)) &
                   (item->event.events | EPOLLERR | EPOLLHUP) & ~kModes;
      if (ready == 0) continue;
      const WaitQueue* queue = file->inode().poll_queue();
      uint32_t wakes = queue != nullptr ? queue->wakes() : 0;
      if (item->told && item->wakes == wakes && (item->event.events & EPOLLET)) continue;
      item->wakes = wakes;
      item->told = true;
      epoll_event event = {ready, item->event.data};
      if (!put_user(out + static_cast<uint64_t>(count) * sizeof(event), event))
        return count > 0 ? count : -EFAULT;
      if (item->event.events & EPOLLONESHOT) item->armed = false;
      ++count;
    }
    return count;
  }
  long fill(PollSet& set) {
    MutexGuard guard(mutex_);
    forget_closed();
    for (Item* item = items_; item != nullptr; item = item->next) {
      if (!item->armed) continue;
      auto events = static_cast<short>(item->event.events & ~kModes & 0xffff);
      if (long error = set.add(current().files->get(item->fd), events); error < 0) return error;
    }
    return 0;
  }

 private:
  struct Item {
    int fd;
    const File* file;  // to know it by, not to use
    epoll_event event;
    uint32_t wakes;  // of the file's queue when it was last told
    bool told;
    bool armed;
    Item* next;
  };
  Item** find(int fd) {
    Item** link = &items_;
    while (*link != nullptr && (*link)->fd != fd) link = &(*link)->next;
    return link;
  }
  static void drop(Item** link) {
    Item* item = *link;
    *link = item->next;
    destroy(item);
  }
  void forget_closed() {
    for (Item** link = &items_; *link != nullptr;) {
      if (current().files->get((*link)->fd).raw() != (*link)->file) {
        drop(link);
      } else {
        link = &(*link)->next;
      }
    }
  }

  Mutex mutex_;
  Item* items_ = nullptr;
};

// Without run-time types: an epoll instance is known by a device number that no file can have.
constexpr uint64_t kEpollDevice = ~0ul;
Epoll* epoll_of(const Ref<File>& file) {
  return file && file->inode().device == kEpollDevice ? static_cast<Epoll*>(&file->inode()) : nullptr;
}

long epoll_wait(int epfd, UserAddress events, int most, uint64_t end, UserAddress mask, uint64_t mask_size) {
  if (most <= 0) return -EINVAL;
  Ref<File> file = current().files->get(epfd);
  if (!file) return -EBADF;
  Epoll* epoll = epoll_of(file);
  if (epoll == nullptr) return -EINVAL;
  while (true) {
    PollSet set;
    if (long error = epoll->fill(set); error < 0) return error;
    long ready = wait_with_mask(set, end, mask, mask_size);
    if (ready == -kRestartNoHandler) return -EINTR;
    if (ready <= 0) return ready;
    long count = epoll->collect(events, most);
    if (count != 0 || end <= now_ns()) return count;
    yield();  // ready, but told before (EPOLLET)
  }
}

uint64_t end_of(int timeout_ms) {
  return timeout_ms < 0    ? kNever
         : timeout_ms == 0 ? 0
                           : now_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
}

}  // namespace

long sys_epoll_create1(int flags) {
  if (flags & ~O_CLOEXEC) return -EINVAL;
  Ref<Inode> inode = Ref<Inode>(make<Epoll>());
  if (!inode) return -ENOMEM;
  inode->device = kEpollDevice;
  Result<Ref<File>> file = open_nameless(inode, "anon_inode:[eventpoll]", O_RDWR);
  if (!file.ok()) return file.error();
  return install(*file, flags & O_CLOEXEC);
}

long sys_epoll_create(int size) { return size <= 0 ? -EINVAL : sys_epoll_create1(0); }

long sys_epoll_ctl(int epfd, int operation, int fd, UserAddress address) {
  epoll_event event = {};
  if (operation != EPOLL_CTL_DEL && !get_user(event, address)) return -EFAULT;
  Ref<File> file = current().files->get(epfd);
  Ref<File> target = current().files->get(fd);
  if (!file || !target) return -EBADF;
  if (target->inode().is_regular() || target->inode().is_directory()) return -EPERM;
  Epoll* epoll = epoll_of(file);
  if (epoll == nullptr || file == target) return -EINVAL;
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
