// SPDX-License-Identifier: GPL-2.0-or-later
//
// One transfer between an open file and memory, with what Linux's vfs_read(), vfs_write() and
// rw_verify_area() check and lock around it: modes, sizes, RLIMIT_FSIZE, O_APPEND, positions. What system
// calls and io_uring have in common.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "fs/parts.h"

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

// pwritev2's flag since Linux 6.9: O_APPEND does not count.
inline constexpr int kRwfNoAppend = 0x20;

// Linux's rw_verify_area(). -EINVAL.
long check_range(uint64_t at, uint64_t size);

// Whether a transfer with these RWF_* is a write to the end of the file.
bool appends(Direction direction, const File& file, int rw_flags = 0);

// To or from the program's memory, under a TransferGuard; with `position` null at the file's own position.
// The position moves.
long transfer(Direction direction, File& file, UserParts& parts, uint64_t* position, bool at_end);
long transfer(Direction direction, File& file, UserBuffer buffer, uint64_t* position, bool at_end);
// The same with the kernel's memory: a page that somebody has a reference to.
long transfer_kernel(Direction direction, File& file, void* memory, size_t bytes, uint64_t* position,
                     bool at_end);

// RLIMIT_FSIZE is in the way: SIGXFSZ, and -EFBIG.
long file_too_large();

}  // namespace mk
