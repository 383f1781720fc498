// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file.h"

#include <linux/fcntl.h>

#include "fs/flock.h"
#include "proc/task.h"

namespace mk {

File::~File() {
  flock_try(*this, LOCK_UN);
  inode().closed(*this);
  if (counts_as_writer()) inode().put_write_access();
}

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
