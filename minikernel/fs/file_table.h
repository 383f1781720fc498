// SPDX-License-Identifier: GPL-2.0-or-later
//
// A process's file descriptors: a small number for each open file, with the close-on-exec bit. Numbers are
// handed out lowest first. The table grows by chunks up to kMaxFiles, which is also the highest
// RLIMIT_NOFILE.
#pragma once

#include <stdint.h>

#include "fs/file.h"
#include "lib/ref.h"
#include "lib/result.h"

namespace mk {

class FileTable : public RefCounted {
 public:
  static constexpr int kMaxFiles = 1024;

  FileTable() = default;
  ~FileTable();

  // The open file behind a descriptor; empty when there is none.
  Ref<File> get(int fd) const;
  bool is_open(int fd) const;
  // The lowest free descriptor that is at least `lowest` and below `limit`: EMFILE when all are taken,
  // ENOMEM.
  Result<int> install(Ref<File> file, bool close_on_exec, int lowest, int limit);
  // Makes `fd` refer to `file`, closing what it referred to.
  long replace(int fd, Ref<File> file, bool close_on_exec);
  long close(int fd);

  Ref<FileTable> clone() const;
  void close_on_exec_all();
  bool close_on_exec(int fd) const;
  void set_close_on_exec(int fd, bool value);

 private:
  struct Slot {
    Ref<File> file;
    bool close_on_exec = false;
  };
  static constexpr int kChunk = 32;
  struct Chunk {
    Slot slots[kChunk];
  };
  Slot* slot(int fd) const;
  Slot* ensure_slot(int fd);

  Chunk* chunks_[kMaxFiles / kChunk] = {};
};

}  // namespace mk
