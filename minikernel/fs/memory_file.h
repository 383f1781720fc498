// SPDX-License-Identifier: GPL-2.0-or-later
//
// A regular file in memory, as tmpfs and memfd_create have it (Linux mm/shmem.c): a page cache, in front of
// an optional origin, the bytes of the initramfs archive, which pages are filled from when they are first
// needed. Pages that are neither in the cache nor in the origin are holes and read as zeros.
//
// A file that nobody has opened for writing drops its cache when the last user (open file, mapping) closes
// it: the origin still has it all. Any other keeps its pages until they are cut off or the file dies. Files
// with names may have half of the memory together (tmpfs's default size): ENOSPC.
//
// Locks: lock_, a spinlock inside io_lock, guards the cache, the size and the seals; user memory is copied
// through a page of the kernel, never under it.
#pragma once

#include "fs/file.h"
#include "fs/inode.h"
#include "lib/spinlock.h"
#include "mm/page_cache.h"

namespace mk {

class MemoryFile : public Inode {
 public:
  static constexpr uint64_t kMaxSize = INT64_MAX;  // s_maxbytes

  explicit MemoryFile(uint32_t file_mode) : Inode(file_mode) {}
  ~MemoryFile() override;

  // For boot: the contents, which stay where they are.
  void set_origin(const uint8_t* data, uint64_t bytes);
  // Without a name from the start: no limit of tmpfs, a size, and which seals it has (F_SEAL_*).
  void set_nameless(uint64_t bytes, uint32_t seals);

  long read(File&, uint64_t offset, UserBuffer buffer) override;
  long write(File&, uint64_t offset, UserBuffer buffer) override;
  long append(File&, uint64_t& end, UserBuffer buffer) override;
  long read_kernel(uint64_t offset, void* destination, size_t bytes) override;
  long write_kernel(File&, uint64_t offset, const void* source, size_t bytes) override;
  long seek_data_or_hole(uint64_t offset, bool hole) override;
  long truncate(uint64_t bytes) override;
  long allocate(int mode, uint64_t offset, uint64_t length) override;
  uint64_t blocks() const override;
  long get_seals() override;
  long add_seals(uint32_t seals) override;
  bool can_direct() const override { return limited_; }  // as Linux: not a memfd

  bool mappable() const override { return true; }
  Result<Pfn> get_page(uint64_t index) override;
  Pfn cached_page(uint64_t index) const override;
  bool is_shmem() const override { return true; }
  bool has_page(uint64_t index) const override;
  long add_page(uint64_t index, Pfn pfn) override;
  Result<bool> map_shared(bool writes) override;
  long writable_mapping_added() override;
  void writable_mapping_removed() override;

  void opened(File& file) override;
  void closed(File& file) override;
  void forget_contents() override;

 private:
  // All of these need lock_.
  Result<Pfn> page_locked(uint64_t index);
  bool in_origin(uint64_t index) const;
  long write_locked(uint64_t offset, const uint8_t* source, size_t bytes);
  long resize_locked(uint64_t bytes);
  void clear_locked(uint64_t start, uint64_t end);
  void drop_locked(uint64_t first, uint64_t end);
  void drop_reserved_locked(uint64_t first, uint64_t end);
  void set_size_locked(uint64_t bytes) { __atomic_store_n(&size, bytes, __ATOMIC_RELAXED); }

  long write_through_page(uint64_t& offset, bool at_end, UserBuffer buffer);
  long punch_hole(uint64_t start, uint64_t end);
  void touch_modified();

  mutable Spinlock lock_;
  PageCache pages_;
  const uint8_t* origin_ = nullptr;
  uint64_t origin_size_ = 0;
  uint64_t charged_ = 0;  // pages that count against the limit
  uint32_t openers_ = 0;
  uint32_t writable_mappings_ = 0;
  uint32_t seals_ = 1;  // F_SEAL_SEAL: files that are no memfd take none
  bool limited_ = true;
  bool reserves_ = false;  // there may be reserved pages
  bool changed_ = false;   // the origin does not have it all
};

// Of the limit for files with names: pages in use, and the limit itself.
uint64_t tmpfs_pages_used();
uint64_t tmpfs_pages_limit();

}  // namespace mk
