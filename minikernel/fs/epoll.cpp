// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/epoll.h"

#include <linux/fcntl.h>
#include <linux/poll.h>

#include "mm/user_memory.h"

namespace mk {

// A file in a set. The file's queue wakes the set's.
struct EpollItem {
  EpollItem(Epoll& epoll, int descriptor, File& its_file, const epoll_event& wanted)
      : set(epoll), fd(descriptor), file(its_file), event(wanted) {}

  Epoll& set;
  const int fd;  // by which it was added
  File& file;    // leaves the set before it ends
  epoll_event event;
  bool armed = true;
  bool told = false;
  uint32_t told_at = 0;  // how often its queue had woken others by then
  Waiter* waiter = nullptr;
  EpollItem* next = nullptr;          // in the set
  EpollItem* next_of_file = nullptr;  // of those for the same file
};

namespace {

Mutex sets_mutex;

constexpr uint32_t kModes = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

// What the item has to tell, and the count of wakes that this goes by: read before the file is asked, so that
// what comes meanwhile is told again.
uint32_t news_of(const EpollItem& item, uint32_t& wakes) {
  if (!item.armed) return 0;
  Inode& inode = item.file.inode();
  const WaitQueue* queue = inode.poll_queue();
  wakes = queue != nullptr ? queue->wakes() : 0;
  if ((item.event.events & EPOLLET) && item.told && item.told_at == wakes) return 0;
  return static_cast<uint16_t>(inode.poll(item.file)) & (item.event.events | EPOLLERR | EPOLLHUP) & ~kModes;
}

}  // namespace

Result<Ref<File>> Epoll::make_file() {
  Ref<Epoll> epoll = make<Epoll>();
  if (!epoll) return Errno{ENOMEM};
  Epoll& set = *epoll;
  Result<Ref<File>> file =
      open_nameless(Ref<Inode>(static_cast<Ref<Epoll>&&>(epoll)), "anon_inode:[eventpoll]", O_RDWR);
  if (file.ok()) set.own_file_ = (*file).raw();
  return file;
}

void Epoll::closed(File&) {
  MutexGuard guard(sets_mutex);
  while (items_ != nullptr) take_out(items_);
  own_file_ = nullptr;
}

// These with the mutex; the order in the list may change all the same.
EpollItem* Epoll::find(int fd, const File* file) {
  SpinlockGuard guard(lock_);
  EpollItem* item = items_;
  while (item != nullptr && (item->fd != fd || &item->file != file)) item = item->next;
  return item;
}

EpollItem** Epoll::end_locked() {
  EpollItem** end = &items_;
  while (*end != nullptr) end = &(*end)->next;
  return end;
}

void Epoll::take_out(EpollItem* item) {
  {
    SpinlockGuard guard(lock_);
    EpollItem** link = &items_;
    while (*link != item) link = &(*link)->next;
    *link = item->next;
  }
  EpollItem** of_file = &item->file.epoll_items;
  while (*of_file != item) of_file = &(*of_file)->next_of_file;
  *of_file = item->next_of_file;
  destroy(item->waiter);
  destroy(item);
}

int Epoll::sets_above() const {
  int most = 0;
  const EpollItem* first = own_file_ != nullptr ? own_file_->epoll_items : nullptr;
  for (const EpollItem* item = first; item != nullptr; item = item->next_of_file)
    most = max(most, 1 + item->set.sets_above());
  return most;
}

int Epoll::sets_below(const Epoll* looked_for) {
  if (this == looked_for) return kMostNested + 1;
  SpinlockGuard guard(lock_);
  int most = 0;
  for (const EpollItem* item = items_; item != nullptr; item = item->next)
    if (Epoll* inner = item->file.inode().epoll()) most = max(most, 1 + inner->sets_below(looked_for));
  return most;
}

long Epoll::control(int operation, int fd, const Ref<File>& file, const epoll_event& event) {
  MutexGuard guard(sets_mutex);
  EpollItem* item = find(fd, file.raw());
  switch (operation) {
    case EPOLL_CTL_ADD: {
      if (item != nullptr) return -EEXIST;
      Epoll* inner = file->inode().epoll();
      if (inner != nullptr && sets_above() + 1 + inner->sets_below(this) > kMostNested) return -ELOOP;
      item = create<EpollItem>(*this, fd, *file, event);
      if (item == nullptr) return -ENOMEM;
      if (WaitQueue* queue = file->inode().poll_queue()) {
        item->waiter = create<Waiter>(*queue, changed_);
        if (item->waiter == nullptr) {
          destroy(item);
          return -ENOMEM;
        }
      }
      item->next_of_file = file->epoll_items;
      file->epoll_items = item;
      SpinlockGuard lock(lock_);
      *end_locked() = item;
      break;
    }
    case EPOLL_CTL_MOD: {
      if (item == nullptr) return -ENOENT;
      if (item->event.events & EPOLLEXCLUSIVE) return -EINVAL;
      SpinlockGuard lock(lock_);
      item->event = event;
      item->armed = true;
      item->told = false;
      break;
    }
    case EPOLL_CTL_DEL:
      if (item == nullptr) return -ENOENT;
      take_out(item);
      return 0;
    default:
      return -EINVAL;
  }
  changed_.wake();
  return 0;
}

// Each time from where the last one stopped: no file that is always ready hides the others.
size_t Epoll::collect(epoll_event* out, size_t most) {
  SpinlockGuard guard(lock_);
  size_t count = 0;
  EpollItem** end = end_locked();
  const EpollItem* first = items_;
  for (bool again = true; again && first != nullptr && count < most; again = items_ != first) {
    EpollItem* item = items_;
    if (uint32_t wakes = 0, ready = news_of(*item, wakes); ready != 0) {
      item->told = true;
      item->told_at = wakes;
      if (item->event.events & EPOLLONESHOT) item->armed = false;
      out[count++] = {ready, item->event.data};
    }
    *end = item;
    end = &item->next;
    items_ = item->next;
    item->next = nullptr;
  }
  return count;
}

short Epoll::poll(File&) {
  SpinlockGuard guard(lock_);
  for (const EpollItem* item = items_; item != nullptr; item = item->next)
    if (uint32_t wakes = 0; news_of(*item, wakes) != 0) return POLLIN | POLLRDNORM;
  return 0;
}

void Epoll::look_for_input() {
  SpinlockGuard guard(lock_);
  for (EpollItem* item = items_; item != nullptr; item = item->next)
    if (item->armed && (item->event.events & EPOLLIN)) item->file.inode().look_for_input();
}

void epoll_forget(File& file) {
  if (__atomic_load_n(&file.epoll_items, __ATOMIC_ACQUIRE) == nullptr) return;
  MutexGuard guard(sets_mutex);
  while (file.epoll_items != nullptr) file.epoll_items->set.take_out(file.epoll_items);
}

}  // namespace mk
