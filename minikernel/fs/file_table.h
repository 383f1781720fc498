// SPDX-License-Identifier: GPL-2.0-or-later
//
// A process's file descriptors: a small number for each open file, with the close-on-exec bit. Numbers are
// handed out lowest first. The table grows by chunks up to kMaxFiles, which is also the highest
// RLIMIT_NOFILE. Threads share a table: a spinlock guards the slots, and no File is closed under it, because
// closing may take other locks and wait.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "lib/ref.h"
#include "lib/result.h"
#include "lib/spinlock.h"

namespace mk {

class FileTable : public RefCounted {
 public:
  static constexpr int kMaxFiles = 1024;

  FileTable() = default;
  ~FileTable();
  // A copy for fork, with the same open files; empty when memory is out.
  Ref<FileTable> clone();

  using RefCounted::get;
  // The open file behind a descriptor; empty when there is none.
  Ref<File> get(int fd) const;
  bool is_open(int fd) const;
  // The lowest free descriptor that is at least `lowest` and below `limit`: EMFILE when all are taken,
  // ENOMEM.
  Result<int> install(Ref<File> file, bool close_on_exec, int lowest, int limit);
  // The same in two steps, for a descriptor that nobody may see yet: until install_reserved() or unreserve()
  // it is neither free nor open.
  Result<int> reserve(int lowest, int limit);
  void install_reserved(int fd, Ref<File> file, bool close_on_exec);
  void unreserve(int fd);
  // Makes `fd` refer to `file`, closing what it referred to. EBUSY: it is reserved.
  long replace(int fd, Ref<File> file, bool close_on_exec);
  long close(int fd);
  // Of all open descriptors in [first, last]: closes them, or has exec close them.
  void close_range(unsigned first, unsigned last);
  void set_close_on_exec_range(unsigned first, unsigned last);
  // For exec.
  void close_on_exec_all();

  bool close_on_exec(int fd) const;
  void set_close_on_exec(int fd, bool value);
  // The lowest open descriptor from `from` on; -1 when there is none.
  int next_open(int from) const;

 private:
  struct Slot {
    Ref<File> file;
    bool close_on_exec = false;
    bool reserved = false;
  };
  static constexpr int kChunk = 32;
  struct Chunk {
    Slot slots[kChunk];
  };
  Slot* slot_locked(int fd) const;
  int first_free_locked(int lowest);
  Result<int> fill_lowest(const Slot& slot, int lowest, int limit);
  // Makes sure that there is a slot, which then stays. False when memory is out.
  bool ensure_slot(int fd);
  Ref<File> take(int fd, bool only_close_on_exec);

  mutable Spinlock lock_;
  Chunk* chunks_[kMaxFiles / kChunk] = {};
  int all_used_below_ = 0;  // no lower descriptor is free
};

}  // namespace mk
