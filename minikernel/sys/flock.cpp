// SPDX-License-Identifier: GPL-2.0-or-later
//
// flock(2).
#include "fs/flock.h"

#include <linux/fcntl.h>

#include "sys/syscall.h"

namespace mk {

long sys_flock(int fd, unsigned operation) {
  int type = static_cast<int>(operation & ~static_cast<unsigned>(LOCK_NB));
  if (type != LOCK_SH && type != LOCK_EX && type != LOCK_UN) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  return operation & LOCK_NB ? flock_try(*file, type) : flock_wait(*file, type);
}

}  // namespace mk
