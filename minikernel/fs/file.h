// SPDX-License-Identifier: GPL-2.0-or-later
//
// An open file: where it is in the tree, how it was opened, the position. Shared by the descriptors that
// dup() and fork() make and by the areas that map it.
//
// The last reference closes it, though not on the spot: that may be anywhere, under a spinlock or mmap_lock,
// and closing may take those itself and drop other files (a userfaultfd, a ring). The task that dropped it
// closes it before it returns to user code or ends (Linux's delayed fput), one file after the other, so that
// no chain of files is as deep as the kernel's stack. Whoever waits inside the kernel for what a close does
// calls close_dropped_files() before.
//
// The position of a regular file or a directory belongs to one call at a time (PositionGuard, Linux's
// f_pos_lock), which may sleep and touch user memory meanwhile. Pipes and devices have none.
#pragma once

#include <asm/fcntl.h>
#include <stdint.h>

#include "fs/dentry.h"
#include "fs/inode.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "lib/spinlock.h"
#include "proc/wait_queue.h"

namespace mk {

struct EpollItem;

// What a kind of file keeps for one open file.
class OpenState : public RefCounted {
 public:
  virtual ~OpenState() = default;
};

class File : public RefCounted {
 public:
  // A memory file that is made open (memfd) counts as nobody's writer: it can be executed as it is.
  File(Ref<Dentry> dentry, unsigned open_flags, bool opened_by_name = true)
      : flags(open_flags), dentry_(dentry), is_writer_(opened_by_name && writable() && inode().is_regular()) {
    if (is_writer_) inode().get_write_access();
    inode().opened(*this);
  }
  ~File();
  void last_reference_gone();  // by Ref

  Inode& inode() const { return dentry_->inode(); }
  Dentry& dentry() const { return *dentry_; }
  const Ref<Dentry>& dentry_ref() const { return dentry_; }

  bool path_only() const { return (flags & O_PATH) != 0; }
  bool readable() const { return !path_only() && (flags & O_ACCMODE) != O_WRONLY; }
  bool writable() const { return !path_only() && (flags & O_ACCMODE) != O_RDONLY; }
  bool appends() const { return (flags & O_APPEND) != 0; }
  // A transfer of the running task must not wait: O_NONBLOCK, or the call itself says so (RWF_NOWAIT).
  bool nonblocking() const;

  Ref<OpenState> state();
  void set_state(Ref<OpenState> state);

  unsigned flags;  // O_* as F_GETFL shows them
  struct {
    int type, pid;
  } owner = {1, 0};      // F_SETOWN: F_OWNER_PID, nobody; guarded by tasks_lock
  int async_signal = 0;  // F_SETSIG
  uint64_t position = 0;
  Mutex position_lock;
  EpollItem* epoll_items = nullptr;  // that watch it; guarded by fs/epoll.cpp
  int flock_type = 8;                // LOCK_UN; guarded by fs/flock.cpp

 private:
  friend class DroppedFiles;

  Ref<Dentry> dentry_;
  const bool is_writer_;
  File* next_dropped_ = nullptr;
  Spinlock lock_;  // guards state_
  Ref<OpenState> state_;
};

// Files of which a task has dropped the last reference, first come, first closed.
class DroppedFiles {
 public:
  void add(File& file);
  // Without a lock held. Inside itself it does nothing: the outer one goes on with what was added.
  void close_all();

 private:
  File* first_ = nullptr;
  File* last_ = nullptr;
  bool closing_ = false;
};

// Of the running task.
void close_dropped_files();

// `own`: the call goes by the file's position, not by one of its own.
class PositionGuard {
 public:
  explicit PositionGuard(File& file, bool own = true) {
    if (!own || (!file.inode().is_regular() && !file.inode().is_directory())) return;
    lock_ = &file.position_lock;
    lock_->lock();
  }
  ~PositionGuard() {
    if (lock_ != nullptr) lock_->unlock();
  }
  PositionGuard(const PositionGuard&) = delete;

 private:
  Mutex* lock_ = nullptr;
};

// A file that no name leads to; `name` is what /proc/PID/fd shows. ENOMEM.
Result<Ref<File>> open_nameless(Ref<Inode> inode, const char* name, unsigned flags);

}  // namespace mk
