// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/flock.h"

#include <linux/fcntl.h>

namespace mk {
namespace {

Spinlock lock;  // of all flock fields

}  // namespace

long flock_try(File& file, int type) {
  Inode& inode = file.inode();
  SpinlockGuard guard(lock);
  if (file.flock_type == type) return 0;
  if (file.flock_type == LOCK_EX) --inode.flock_exclusive;
  if (file.flock_type == LOCK_SH) --inode.flock_shared;
  file.flock_type = LOCK_UN;
  if (type == LOCK_UN) return 0;
  if (inode.flock_exclusive > 0 || (type == LOCK_EX && inode.flock_shared > 0)) return -EWOULDBLOCK;
  ++(type == LOCK_EX ? inode.flock_exclusive : inode.flock_shared);
  file.flock_type = type;
  return 0;
}

}  // namespace mk
