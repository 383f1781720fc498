// SPDX-License-Identifier: GPL-2.0-or-later
//
// epoll(7): Linux fs/eventpoll.c. A set of open files, each asked when somebody wants to know: there is no
// list of those that are ready. Whatever wakes the waiters of a file wakes those of the sets it is in, too,
// so that a set is a file that can be polled itself, and be in other sets: a few deep, and never in itself.
// Level-triggered, EPOLLONESHOT, and EPOLLET as "when the file has woken its waiters since it was last told".
//
// A file leaves its sets when it is closed for good, as in Linux, not with the descriptor it was added by.
//
// Locks, in this order: one mutex for all sets, for whoever changes what is in a set; a set's lock_, which
// that one holds as well, under which its files are asked; what files take to be asked, inner sets' locks
// included.
#pragma once

#include <linux/eventpoll.h>

#include "fs/file.h"
#include "proc/wait_queue.h"

namespace mk {

struct EpollItem;

class Epoll final : public Inode {
 public:
  static constexpr size_t kMostTold = 256;  // at once; later calls go on with the others

  Epoll() : Inode(0600) {}
  static Result<Ref<File>> make_file();

  // epoll_ctl(2), arguments checked. -EEXIST, -ENOENT, -ENOMEM; -EINVAL: EPOLLEXCLUSIVE cannot be changed;
  // -ELOOP: sets in sets, too deep or in a circle.
  long control(int operation, int fd, const Ref<File>& file, const epoll_event& event);
  // What there is to tell, which is told with that.
  size_t collect(epoll_event* out, size_t most);

  Epoll* epoll() override { return this; }
  long open(File&) override { return -ENXIO; }  // once more, by /proc/PID/fd
  void closed(File&) override;
  short poll(File&) override;
  WaitQueue* poll_queue() override { return &changed_; }
  bool stays_at_start() const override { return true; }
  void look_for_input() override;

 private:
  friend void epoll_forget(File& file);
  static constexpr int kMostNested = 4;  // Linux's EP_MAX_NESTS

  EpollItem* find(int fd, const File* file);
  EpollItem** end_locked();
  void take_out(EpollItem* item);
  // How many sets are above and below this one; `looked_for` below counts as too many.
  int sets_above() const;
  int sets_below(const Epoll* looked_for);

  Spinlock lock_;
  EpollItem* items_ = nullptr;
  const File* own_file_ = nullptr;  // that is open on it
  WaitQueue changed_;
};

// The file ends: it leaves the sets it is in.
void epoll_forget(File& file);

}  // namespace mk
