// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file.h"

#include <linux/fcntl.h>

#include "fs/flock.h"

namespace mk {

File::~File() {
  flock_try(*this, LOCK_UN);
  inode().closed(*this);
  if (counts_as_writer()) inode().put_write_access();
}

uint64_t File::reserve_for_read(uint64_t& bytes) {
  if (!inode().is_regular() || inode().size == 0) return reserve(bytes);  // a file of /proc shows no size
  uint64_t wanted = bytes;
  uint64_t start = __atomic_load_n(&position, __ATOMIC_RELAXED);
  do {
    uint64_t left = start < inode().size ? inode().size - start : 0;
    bytes = wanted < left ? wanted : left;
  } while (!__atomic_compare_exchange_n(&position, &start, start + bytes, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
  return start;
}

void File::settle(uint64_t start, uint64_t reserved, uint64_t used) {
  uint64_t expected = start + reserved;
  if (used != reserved)
    __atomic_compare_exchange_n(&position, &expected, start + used, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

Ref<OpenState> File::state() {
  SpinlockGuard guard(lock_);
  return state_;
}

void File::set_state(Ref<OpenState> state) {
  SpinlockGuard guard(lock_);
  state_.swap(state);
}

}  // namespace mk
