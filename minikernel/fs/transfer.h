// SPDX-License-Identifier: GPL-2.0-or-later
//
// One transfer between an open file and memory, with what Linux's vfs_read(), vfs_write() and
// rw_verify_area() check and lock around it: modes, sizes, RLIMIT_FSIZE, O_APPEND, positions. What system
// calls and io_uring have in common.
#pragma once

#include <stdint.h>

#include "fs/file.h"

namespace mk {

inline constexpr uint64_t kMaxTransfer = 0x7ffff000;  // Linux's MAX_RW_COUNT

enum class Direction { kRead, kWrite };

// The locks of a call that reads or writes, in one part or several: the file's position, and a regular file's
// contents while they change.
class TransferGuard {
 public:
  TransferGuard(Direction direction, File& file, bool own_position);
  ~TransferGuard();
  TransferGuard(const TransferGuard&) = delete;

 private:
  PositionGuard position_;
  Mutex* contents_ = nullptr;
};

// To or from the program's memory, under a TransferGuard; with `position` null at the file's own position.
// The position moves.
long transfer(Direction direction, File& file, UserBuffer buffer, uint64_t* position);
// The same with the kernel's memory: a page that somebody has a reference to.
long transfer_kernel(Direction direction, File& file, void* memory, size_t bytes, uint64_t* position);

// RLIMIT_FSIZE is in the way: SIGXFSZ, and -EFBIG.
long file_too_large();

}  // namespace mk
