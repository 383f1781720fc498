// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/flock.h"

#include <linux/fcntl.h>

namespace mk {
namespace {

Spinlock lock;  // of all flock fields
WaitQueue released;

// Takes the lock, or says that it cannot be had. What the file held before is given up: true when it held
// something.
bool change_locked(File& file, int type, bool& taken) {
  Inode& inode = file.inode();
  bool held = file.flock_type != LOCK_UN;
  if (file.flock_type == LOCK_EX) --inode.flock_exclusive;
  if (file.flock_type == LOCK_SH) --inode.flock_shared;
  file.flock_type = LOCK_UN;
  taken = type == LOCK_UN || !(inode.flock_exclusive > 0 || (type == LOCK_EX && inode.flock_shared > 0));
  if (!taken || type == LOCK_UN) return held;
  ++(type == LOCK_EX ? inode.flock_exclusive : inode.flock_shared);
  file.flock_type = type;
  return held;
}

}  // namespace

long flock_try(File& file, int type) {
  bool taken = true, gave_up = false;
  {
    SpinlockGuard guard(lock);
    if (file.flock_type == type) return 0;
    gave_up = change_locked(file, type, taken);
  }
  if (gave_up) released.wake();
  return taken ? 0 : -EWOULDBLOCK;
}

long flock_wait(File& file, int type) {
  if (flock_try(file, type) == 0) return 0;  // or it holds nothing any more
  return sleep_until(released, [&] {
    SpinlockGuard guard(lock);
    bool taken = false;
    change_locked(file, type, taken);
    return taken;
  });
}

}  // namespace mk
