// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/inode.h"

#include <linux/poll.h>

#include "arch/x86_64/clock.h"
#include "fs/dentry.h"
#include "lib/assert.h"

namespace mk {

Inode::Inode(uint32_t file_mode) : mode(file_mode) {
  static uint64_t last_number = 0;
  number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
  accessed_ns = modified_ns = changed_ns = wall_clock_ns();
}

long Inode::append(File& file, uint64_t& end, UserBuffer buffer) {
  long done = write(file, size, buffer);
  end = size;
  return done;
}

short Inode::poll(File&) { return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM; }

long Inode::seek_data_or_hole(uint64_t offset, bool hole) {
  if (offset >= size) return -ENXIO;
  return static_cast<long>(hole ? size : offset);
}

Result<Ref<Dentry>> Inode::jump() { return Errno{ENOENT}; }

Result<Pfn> Inode::get_page(uint64_t) { panic("page of a file that cannot be mapped"); }

long Inode::change_writers(int by) {
  int now = __atomic_load_n(&writers_, __ATOMIC_RELAXED);
  do {
    if (by > 0 ? now < 0 : now > 0) return -ETXTBSY;
  } while (
      !__atomic_compare_exchange_n(&writers_, &now, now + by, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  return 0;
}

}  // namespace mk
