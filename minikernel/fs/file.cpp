// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file.h"

#include <linux/fcntl.h>

#include "fs/epoll.h"
#include "fs/flock.h"
#include "proc/task.h"

namespace mk {

File::~File() {
  epoll_forget(*this);
  flock_try(*this, LOCK_UN);
  inode().closed(*this);
  if (is_writer_) inode().put_write_access();
}

void File::last_reference_gone() {
  Task& task = current();
  // Boot, idle tasks, and a task that has closed all it had: no lock is held, and nothing comes later.
  if (!task.process) return destroy(this);
  task.dropped_files.add(*this);
}

void DroppedFiles::add(File& file) {
  (last_ != nullptr ? last_->next_dropped_ : first_) = &file;
  last_ = &file;
}

void DroppedFiles::close_all() {
  if (first_ == nullptr || closing_) return;
  closing_ = true;
  while (File* file = first_) {
    first_ = file->next_dropped_;
    if (first_ == nullptr) last_ = nullptr;
    destroy(file);
  }
  closing_ = false;
}

void close_dropped_files() { current().dropped_files.close_all(); }

bool File::nonblocking() const { return (flags & O_NONBLOCK) || current().nowait; }

Ref<OpenState> File::state() {
  SpinlockGuard guard(lock_);
  return state_;
}

void File::set_state(Ref<OpenState> state) {
  SpinlockGuard guard(lock_);
  state_.swap(state);
}

}  // namespace mk
