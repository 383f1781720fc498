// SPDX-License-Identifier: GPL-2.0-or-later
//
// An open file: where it is in the tree, how it was opened, the position. Shared by the descriptors that
// dup() and fork() make and by the areas that map it; the last reference closes it.
//
// The position: a transfer reserves the bytes it asks for, moves them without a lock, and gives back what it
// did not use when nobody came in between. So two writers that share a position never write to the same
// place, as Linux's position lock promises; readers that meet the end of the file together may both move
// beyond it.
#pragma once

#include <asm/fcntl.h>
#include <stdint.h>

#include "fs/dentry.h"
#include "fs/inode.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "lib/spinlock.h"

namespace mk {

// What a kind of file keeps for one open file.
class OpenState : public RefCounted {
 public:
  virtual ~OpenState() = default;
};

class File : public RefCounted {
 public:
  File(Ref<Dentry> dentry, unsigned open_flags) : flags(open_flags), dentry_(dentry) {
    if (counts_as_writer()) inode().get_write_access();
    inode().opened(*this);
  }
  ~File();

  Inode& inode() const { return dentry_->inode(); }
  Dentry& dentry() const { return *dentry_; }
  const Ref<Dentry>& dentry_ref() const { return dentry_; }

  bool path_only() const { return (flags & O_PATH) != 0; }
  bool readable() const { return !path_only() && (flags & O_ACCMODE) != O_WRONLY; }
  bool writable() const { return !path_only() && (flags & O_ACCMODE) != O_RDONLY; }
  bool appends() const { return (flags & O_APPEND) != 0; }

  // Where a transfer of `bytes` starts. A read of a regular file reserves nothing beyond its end.
  uint64_t reserve(uint64_t bytes) { return __atomic_fetch_add(&position, bytes, __ATOMIC_RELAXED); }
  uint64_t reserve_for_read(uint64_t& bytes);
  // The transfer that began at `start` used `used` of the `reserved` bytes.
  void settle(uint64_t start, uint64_t reserved, uint64_t used);

  Ref<OpenState> state();
  void set_state(Ref<OpenState> state);

  unsigned flags;  // O_* as F_GETFL shows them
  uint64_t position = 0;
  int flock_type = 8;  // LOCK_UN; guarded by fs/flock.cpp

 private:
  bool counts_as_writer() const { return writable() && inode().is_regular(); }

  Ref<Dentry> dentry_;
  Spinlock lock_;  // guards state_
  Ref<OpenState> state_;
};

// A file that no name leads to; `name` is what /proc/PID/fd shows. ENOMEM.
Result<Ref<File>> open_nameless(Ref<Inode> inode, const char* name, unsigned flags);

}  // namespace mk
