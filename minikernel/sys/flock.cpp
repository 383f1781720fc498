// SPDX-License-Identifier: GPL-2.0-or-later
//
// flock(2). Waiting for a lock is not there yet: what would wait fails as with LOCK_NB.
#include "fs/flock.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "sys/syscall.h"

namespace mk {

long sys_flock(int fd, unsigned operation) {
  int type = static_cast<int>(operation & ~static_cast<unsigned>(LOCK_NB));
  if (type != LOCK_SH && type != LOCK_EX && type != LOCK_UN) return -EINVAL;
  Ref<File> file = current().files->get(fd);
  if (!file || file->path_only()) return -EBADF;
  long error = flock_try(*file, type);
  if (error == -EWOULDBLOCK && !(operation & LOCK_NB)) log_unimplemented(__NR_flock, "waiting");
  return error;
}

}  // namespace mk
