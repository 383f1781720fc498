// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file_table.h"

namespace mk {

FileTable::~FileTable() {
  for (Chunk* chunk : chunks_) destroy(chunk);
}

FileTable::Slot* FileTable::slot(int fd) const {
  if (fd < 0 || fd >= kMaxFiles || chunks_[fd / kChunk] == nullptr) return nullptr;
  return &chunks_[fd / kChunk]->slots[fd % kChunk];
}

FileTable::Slot* FileTable::ensure_slot(int fd) {
  if (fd < 0 || fd >= kMaxFiles) return nullptr;
  Chunk*& chunk = chunks_[fd / kChunk];
  if (chunk == nullptr) chunk = create<Chunk>();
  return slot(fd);
}

Ref<File> FileTable::get(int fd) const {
  Slot* entry = slot(fd);
  return entry != nullptr ? entry->file : Ref<File>();
}

bool FileTable::is_open(int fd) const {
  Slot* entry = slot(fd);
  return entry != nullptr && entry->file;
}

Result<int> FileTable::install(Ref<File> file, bool close_on_exec, int lowest, int limit) {
  for (int fd = lowest; fd < limit && fd < kMaxFiles; ++fd) {
    if (is_open(fd)) continue;
    long error = replace(fd, file, close_on_exec);
    if (error < 0) return Errno{static_cast<int>(-error)};
    return fd;
  }
  return Errno{EMFILE};
}

long FileTable::replace(int fd, Ref<File> file, bool close_on_exec) {
  Slot* entry = ensure_slot(fd);
  if (entry == nullptr) return -ENOMEM;
  entry->file = file;
  entry->close_on_exec = close_on_exec;
  return 0;
}

long FileTable::close(int fd) {
  Slot* entry = slot(fd);
  if (entry == nullptr || !entry->file) return -EBADF;
  entry->file.reset();
  entry->close_on_exec = false;
  return 0;
}

Ref<FileTable> FileTable::clone() const {
  Ref<FileTable> copy = make<FileTable>();
  if (!copy) return copy;
  for (int fd = 0; fd < kMaxFiles; ++fd)
    if (is_open(fd) && copy->replace(fd, get(fd), close_on_exec(fd)) < 0) return nullptr;
  return copy;
}

void FileTable::close_on_exec_all() {
  for (int fd = 0; fd < kMaxFiles; ++fd)
    if (close_on_exec(fd)) close(fd);
}

bool FileTable::close_on_exec(int fd) const {
  Slot* entry = slot(fd);
  return entry != nullptr && entry->close_on_exec;
}

void FileTable::set_close_on_exec(int fd, bool value) {
  Slot* entry = slot(fd);
  if (entry != nullptr) entry->close_on_exec = value;
}

}  // namespace mk
