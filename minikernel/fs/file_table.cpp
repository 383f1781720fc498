// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/file_table.h"

namespace mk {

FileTable::~FileTable() {
  for (Chunk* chunk : chunks_) destroy(chunk);
}

Ref<FileTable> FileTable::clone() {
  Ref<FileTable> copy = make<FileTable>();
  if (!copy) return nullptr;
  for (int i = 0; i < kMaxFiles / kChunk; ++i) {
    if (__atomic_load_n(&chunks_[i], __ATOMIC_ACQUIRE) == nullptr) continue;
    Chunk* chunk = create<Chunk>();
    if (chunk == nullptr) return nullptr;
    copy->chunks_[i] = chunk;
    SpinlockGuard guard(lock_);
    for (int j = 0; j < kChunk; ++j)
      if (!chunks_[i]->slots[j].reserved) chunk->slots[j] = chunks_[i]->slots[j];
  }
  return copy;
}

FileTable::Slot* FileTable::slot_locked(int fd) const {
  if (fd < 0 || fd >= kMaxFiles || chunks_[fd / kChunk] == nullptr) return nullptr;
  return &chunks_[fd / kChunk]->slots[fd % kChunk];
}

bool FileTable::ensure_slot(int fd) {
  Chunk*& chunk = chunks_[fd / kChunk];
  if (__atomic_load_n(&chunk, __ATOMIC_ACQUIRE) != nullptr) return true;
  Chunk* made = create<Chunk>();
  if (made == nullptr) return false;
  {
    SpinlockGuard guard(lock_);
    if (chunk == nullptr) {
      __atomic_store_n(&chunk, made, __ATOMIC_RELEASE);
      return true;
    }
  }
  destroy(made);
  return true;
}

Ref<File> FileTable::get(int fd) const {
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  return entry != nullptr ? entry->file : Ref<File>();
}

bool FileTable::is_open(int fd) const {
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  return entry != nullptr && entry->file;
}

int FileTable::first_free_locked(int lowest) {
  int fd = lowest < all_used_below_ ? all_used_below_ : lowest;
  while (fd < kMaxFiles) {
    Slot* entry = slot_locked(fd);
    if (entry == nullptr || (!entry->file && !entry->reserved)) break;
    ++fd;
  }
  if (lowest <= all_used_below_) all_used_below_ = fd;
  return fd;
}

Result<int> FileTable::fill_lowest(const Slot& slot, int lowest, int limit) {
  int end = limit < kMaxFiles ? limit : kMaxFiles;
  while (true) {
    int fd;
    {
      SpinlockGuard guard(lock_);
      fd = first_free_locked(lowest);
      if (fd >= end) return Errno{EMFILE};
      if (Slot* entry = slot_locked(fd)) {
        *entry = slot;
        return fd;
      }
    }
    if (!ensure_slot(fd)) return Errno{ENOMEM};
  }
}

Result<int> FileTable::install(Ref<File> file, bool close_on_exec, int lowest, int limit) {
  return fill_lowest({file, close_on_exec, false}, lowest, limit);
}

Result<int> FileTable::reserve(int lowest, int limit) {
  return fill_lowest({{}, false, true}, lowest, limit);
}

void FileTable::install_reserved(int fd, Ref<File> file, bool close_on_exec) {
  SpinlockGuard guard(lock_);
  *slot_locked(fd) = Slot{file, close_on_exec, false};
}

void FileTable::unreserve(int fd) {
  SpinlockGuard guard(lock_);
  slot_locked(fd)->reserved = false;
  if (fd < all_used_below_) all_used_below_ = fd;
}

long FileTable::replace(int fd, Ref<File> file, bool close_on_exec) {
  if (fd < 0 || fd >= kMaxFiles) return -EBADF;
  if (!ensure_slot(fd)) return -ENOMEM;
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  if (entry->reserved) return -EBUSY;
  entry->file.swap(file);  // the caller drops the old one
  entry->close_on_exec = close_on_exec;
  return 0;
}

// The file of a descriptor that is free from now on.
Ref<File> FileTable::take(int fd, bool only_close_on_exec) {
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  if (entry == nullptr || !entry->file || (only_close_on_exec && !entry->close_on_exec)) return nullptr;
  entry->close_on_exec = false;
  if (fd < all_used_below_) all_used_below_ = fd;
  return static_cast<Ref<File>&&>(entry->file);
}

long FileTable::close(int fd) { return take(fd, false) ? 0 : -EBADF; }

void FileTable::close_range(unsigned first, unsigned last) {
  for (unsigned fd = first; fd <= last && fd < kMaxFiles; ++fd) take(static_cast<int>(fd), false);
}

void FileTable::set_close_on_exec_range(unsigned first, unsigned last) {
  for (unsigned fd = first; fd <= last && fd < kMaxFiles; ++fd) set_close_on_exec(static_cast<int>(fd), true);
}

void FileTable::close_on_exec_all() {
  for (int fd = 0; fd < kMaxFiles; ++fd) take(fd, true);
}

bool FileTable::close_on_exec(int fd) const {
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  return entry != nullptr && entry->close_on_exec;
}

void FileTable::set_close_on_exec(int fd, bool value) {
  SpinlockGuard guard(lock_);
  Slot* entry = slot_locked(fd);
  if (entry != nullptr && entry->file) entry->close_on_exec = value;
}

int FileTable::next_open(int from) const {
  SpinlockGuard guard(lock_);
  for (int fd = from < 0 ? 0 : from; fd < kMaxFiles; ++fd)
    if (Slot* entry = slot_locked(fd); entry != nullptr && entry->file) return fd;
  return -1;
}

}  // namespace mk
