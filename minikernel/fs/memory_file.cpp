// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/memory_file.h"

#include <linux/falloc.h>
#include <linux/fcntl.h>

#include "arch/x86_64/clock.h"
#include "arch/x86_64/memory_layout.h"
#include "fs/shmem.h"
#include "lib/string.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr uint32_t kAllSeals =
    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | kSealExec;
constexpr uint32_t kWriteSeals = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

uint64_t pages_used;

bool charge() {
  if (__atomic_add_fetch(&pages_used, 1, __ATOMIC_RELAXED) <= tmpfs_pages_limit()) return true;
  __atomic_fetch_sub(&pages_used, 1, __ATOMIC_RELAXED);
  return false;
}

uint8_t* bytes_of(Pfn pfn) { return static_cast<uint8_t*>(phys_to_virt(pfn * kPageSize)); }

// The part of [offset, end) that lies in the first page of it.
uint64_t part_in_page(uint64_t offset, uint64_t bytes) { return min(bytes, kPageSize - offset % kPageSize); }

// A page of kernel memory to copy through.
class Bounce {
 public:
  Bounce() : bytes_(static_cast<uint8_t*>(kmalloc(kPageSize))) {}
  ~Bounce() { kfree(bytes_); }
  Bounce(const Bounce&) = delete;
  uint8_t* bytes() const { return bytes_; }

 private:
  uint8_t* bytes_;
};

}  // namespace

uint64_t tmpfs_pages_used() { return __atomic_load_n(&pages_used, __ATOMIC_RELAXED); }
uint64_t tmpfs_pages_limit() { return total_frame_count() / 2; }

MemoryFile::~MemoryFile() { __atomic_fetch_sub(&pages_used, charged_, __ATOMIC_RELAXED); }

void MemoryFile::set_origin(const uint8_t* data, uint64_t bytes) {
  origin_ = data;
  origin_size_ = size = bytes;
}

void MemoryFile::set_nameless(uint64_t bytes, uint32_t seals) {
  limited_ = false;
  file_system = FileSystem::kNameless;
  size = bytes;
  seals_ = seals;
}

bool MemoryFile::in_origin(uint64_t index) const { return index < page_align_up(origin_size_) / kPageSize; }

Result<Pfn> MemoryFile::page_locked(uint64_t index) {
  if (Pfn pfn = pages_.find(index)) {
    if (reserves_) pages_.set_reserved(index, false);
    return pfn;
  }
  bool from_origin = in_origin(index);
  bool counts = limited_ && !from_origin;
  if (counts && !charge()) return Errno{ENOSPC};
  Pfn pfn = pages_.find_or_add(index);
  if (pfn == 0) {
    if (counts) __atomic_fetch_sub(&pages_used, 1, __ATOMIC_RELAXED);
    return Errno{ENOMEM};
  }
  charged_ += counts;
  uint64_t offset = index * kPageSize;
  if (from_origin) memcpy(bytes_of(pfn), origin_ + offset, min(origin_size_ - offset, kPageSize));
  return pfn;
}

Result<Pfn> MemoryFile::get_page(uint64_t index) {
  SpinlockGuard guard(lock_);
  if (index >= page_align_up(size) / kPageSize) return Errno{ENXIO};
  Result<Pfn> pfn = page_locked(index);
  if (pfn.ok() && !frame_get(*pfn)) return Errno{ENOMEM};
  if (pfn.error() == -ENOSPC) return Errno{ENXIO};  // SIGBUS, as Linux's shmem_fault
  return pfn;
}

Pfn MemoryFile::cached_page(uint64_t index) const {
  SpinlockGuard guard(lock_);
  return pages_.find(index);
}

bool MemoryFile::has_page(uint64_t index) const {
  SpinlockGuard guard(lock_);
  return pages_.find(index) != 0 || in_origin(index);
}

long MemoryFile::add_page(uint64_t index, Pfn pfn) {
  SpinlockGuard guard(lock_);
  if (index >= page_align_up(size) / kPageSize) return -EFAULT;
  if (pages_.find(index) != 0 || in_origin(index)) return -EEXIST;
  if (limited_ && !charge()) return -ENOMEM;
  if (!pages_.insert(index, pfn)) {
    if (limited_) __atomic_fetch_sub(&pages_used, 1, __ATOMIC_RELAXED);
    return -ENOMEM;
  }
  charged_ += limited_;
  return 0;
}

// Holes and what only the origin has are read without making pages of them.
long MemoryFile::read(File&, uint64_t offset, UserBuffer buffer) {
  size_t done = 0;
  while (done < buffer.size) {
    uint64_t at = offset + done;
    Pfn pfn = 0;
    const uint8_t* origin = nullptr;
    size_t part = 0;
    {
      SpinlockGuard guard(lock_);
      if (at >= size) break;
      part = part_in_page(at, min(buffer.size - done, size - at));
      pfn = pages_.find(at / kPageSize);
      if (pfn != 0) {
        if (!frame_get(pfn)) return done > 0 ? static_cast<long>(done) : -ENOMEM;
      } else if (at < origin_size_) {
        origin = origin_ + at;
        part = min(part, origin_size_ - at);
      }
    }
    uint64_t to = buffer.address + done;
    const uint8_t* from = pfn != 0 ? bytes_of(pfn) + at % kPageSize : origin;
    long copied = from != nullptr ? copy_out_some(to, from, part) : clear_some(to, part);
    if (pfn != 0) frame_put(pfn);
    if (copied < 0) return done > 0 ? static_cast<long>(done) : copied;
    done += static_cast<size_t>(copied);
    if (static_cast<size_t>(copied) < part) break;
  }
  return static_cast<long>(done);
}

long MemoryFile::read_kernel(uint64_t offset, void* destination, size_t bytes) {
  SpinlockGuard guard(lock_);
  if (offset >= size) return 0;
  bytes = min(bytes, size - offset);
  auto* to = static_cast<uint8_t*>(destination);
  for (size_t done = 0, part = 0; done < bytes; done += part) {
    uint64_t at = offset + done;
    part = part_in_page(at, bytes - done);
    if (Pfn pfn = pages_.find(at / kPageSize)) {
      memcpy(to + done, bytes_of(pfn) + at % kPageSize, part);
    } else if (at < origin_size_) {
      part = min(part, origin_size_ - at);
      memcpy(to + done, origin_ + at, part);
    } else {
      memset(to + done, 0, part);
    }
  }
  return static_cast<long>(bytes);
}

long MemoryFile::write(File&, uint64_t offset, UserBuffer buffer) {
  return write_through_page(offset, false, buffer);
}

long MemoryFile::append(File&, uint64_t& end, UserBuffer buffer) {
  return write_through_page(end, true, buffer);
}

long MemoryFile::write_kernel(File&, uint64_t offset, const void* source, size_t bytes) {
  long done = 0;
  {
    SpinlockGuard guard(lock_);
    done = write_locked(offset, static_cast<const uint8_t*>(source), bytes);
  }
  if (done > 0) touch_modified();
  return done;
}

// Moves `offset` to the end of what was written.
long MemoryFile::write_through_page(uint64_t& offset, bool at_end, UserBuffer buffer) {
  Bounce bounce;
  if (bounce.bytes() == nullptr) return -ENOMEM;
  size_t done = 0;
  long error = 0;
  while (done < buffer.size) {
    size_t part = min(buffer.size - done, static_cast<size_t>(kPageSize));
    // Whole pages of the file at a time, where that is possible.
    if (!at_end && part == kPageSize) part -= offset % kPageSize;
    error = copy_in_some(bounce.bytes(), buffer.address + done, part);
    if (error <= 0) break;
    auto copied = static_cast<size_t>(error);
    {
      SpinlockGuard guard(lock_);
      if (at_end) offset = size;
      error = write_locked(offset, bounce.bytes(), copied);
    }
    if (error <= 0) break;
    offset += static_cast<uint64_t>(error);
    done += static_cast<size_t>(error);
    if (static_cast<size_t>(error) < part) break;
  }
  if (done > 0) touch_modified();
  return done > 0 ? static_cast<long>(done) : error;
}

// Short when memory runs out in the middle.
long MemoryFile::write_locked(uint64_t offset, const uint8_t* source, size_t bytes) {
  if (seals_ & kWriteSeals) return -EPERM;
  if (offset >= kMaxSize) return -EFBIG;
  bytes = min(bytes, static_cast<size_t>(kMaxSize - offset));
  if (offset + bytes > size && (seals_ & F_SEAL_GROW)) return -EPERM;
  for (size_t done = 0; done < bytes;) {
    uint64_t at = offset + done;
    size_t part = part_in_page(at, bytes - done);
    Result<Pfn> pfn = page_locked(at / kPageSize);
    if (!pfn.ok()) return done > 0 ? static_cast<long>(done) : pfn.error();
    memcpy(bytes_of(*pfn) + at % kPageSize, source + done, part);
    changed_ = true;
    done += part;
    if (at + part > size) set_size_locked(at + part);
  }
  return static_cast<long>(bytes);
}

void MemoryFile::touch_modified() { modified_ns = changed_ns = wall_clock_ns(); }

long MemoryFile::seek_data_or_hole(uint64_t offset, bool hole) {
  SpinlockGuard guard(lock_);
  if (offset >= size) return -ENXIO;
  uint64_t end = page_align_up(size) / kPageSize;
  uint64_t index = offset / kPageSize;
  auto is_data = [&](uint64_t i) { return in_origin(i) || pages_.next_present(i, false) == i; };
  if (hole) {
    while (index < end && is_data(index)) ++index;
  } else if (!is_data(index)) {
    index = pages_.next_present(index, false);
    if (index >= end) return -ENXIO;
  }
  return static_cast<long>(min(max(offset, index * kPageSize), size));
}

uint64_t MemoryFile::blocks() const {
  SpinlockGuard guard(lock_);
  uint64_t origin_pages = page_align_up(origin_size_) / kPageSize;
  uint64_t pages = pages_.count();
  if (origin_pages > 0) pages = max(pages, origin_pages);  // near enough: most of such a file is its origin
  return pages * (kPageSize / 512);
}

// Zeros in the bytes [start, end) of one page, when that page is not a hole.
void MemoryFile::clear_locked(uint64_t start, uint64_t end) {
  uint64_t index = start / kPageSize;
  if (start >= end) return;
  Pfn pfn = pages_.find(index);
  if (pfn != 0) memset(bytes_of(pfn) + start % kPageSize, 0, end - start);
}

// Pages [first, end) out of the cache.
void MemoryFile::drop_locked(uint64_t first, uint64_t end) {
  uint64_t before = pages_.count();
  uint64_t free_of_charge = 0;
  uint64_t origin_end = page_align_up(origin_size_) / kPageSize;
  for (uint64_t i = pages_.next_present(first); i < min(end, origin_end); i = pages_.next_present(i + 1))
    ++free_of_charge;
  pages_.remove_range(first, end);
  if (!limited_) return;
  uint64_t dropped = before - pages_.count() - free_of_charge;
  charged_ -= dropped;
  __atomic_fetch_sub(&pages_used, dropped, __ATOMIC_RELAXED);
}

// What allocate() has reserved of [first, end) before it failed. As in Linux (shmem_undo_range) that takes
// what an earlier call reserved there and nobody has used.
void MemoryFile::drop_reserved_locked(uint64_t first, uint64_t end) {
  for (uint64_t i = pages_.next_present(first); i < end; i = pages_.next_present(i + 1))
    if (pages_.next_present(i, false) != i) drop_locked(i, i + 1);
}

long MemoryFile::resize_locked(uint64_t bytes) {
  if (bytes < size && (seals_ & F_SEAL_SHRINK)) return -EPERM;
  if (bytes > size && (seals_ & F_SEAL_GROW)) return -EPERM;
  if (bytes < size) {
    changed_ = true;
    clear_locked(bytes, page_align_up(bytes));
    drop_locked(page_align_up(bytes) / kPageSize, PageCache::kEnd);
    origin_size_ = min(origin_size_, bytes);
  }
  set_size_locked(bytes);
  return 0;
}

long MemoryFile::truncate(uint64_t bytes) {
  if (bytes > kMaxSize) return -EFBIG;
  MutexGuard one_change(io_lock);
  uint64_t before = 0;
  {
    SpinlockGuard guard(lock_);
    before = size;
    if (long error = resize_locked(bytes); error < 0) return error;
  }
  touch_modified();
  uint64_t first = page_align_up(bytes) / kPageSize;
  uint64_t end = page_align_up(before) / kPageSize;
  if (first < end) unmap_mapping_range(*this, first, end - first, true);
  return 0;
}

long MemoryFile::allocate(int fl_mode, uint64_t offset, uint64_t length) {
  if (fl_mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return -EOPNOTSUPP;
  uint64_t end = offset + length;
  if (end > kMaxSize) return -EFBIG;
  MutexGuard one_change(io_lock);
  if (fl_mode & FALLOC_FL_PUNCH_HOLE) return punch_hole(offset, end);
  uint64_t first = offset / kPageSize;
  uint64_t last = page_align_up(end) / kPageSize;
  if (last - first > free_frame_count() + pages_.count()) return -ENOSPC;  // before work that cannot succeed
  SpinlockGuard guard(lock_);
  bool grows = end > size && !(fl_mode & FALLOC_FL_KEEP_SIZE);
  if (grows && (seals_ & F_SEAL_GROW)) return -EPERM;
  changed_ = true;
  reserves_ = true;
  for (uint64_t i = first; i < last; ++i) {
    if (pages_.find(i) != 0) continue;
    Result<Pfn> page = page_locked(i);
    if (!page.ok()) {
      drop_reserved_locked(first, i);
      return page.error();
    }
    if (!in_origin(i)) pages_.set_reserved(i, true);
  }
  if (grows) set_size_locked(end);
  return 0;
}

// Pages that lie in the hole completely go; those that the origin would give again become zeros.
long MemoryFile::punch_hole(uint64_t start, uint64_t end) {
  uint64_t first = page_align_up(start) / kPageSize;
  uint64_t last = end / kPageSize;
  {
    SpinlockGuard guard(lock_);
    if (seals_ & kWriteSeals) return -EPERM;
    changed_ = true;
  }
  // Before, because private areas' pages are told from copies of them by the cache; and after, for faults in
  // between.
  if (first < last) unmap_mapping_range(*this, first, last - first, false);
  {
    SpinlockGuard guard(lock_);
    uint64_t origin_end = min(page_align_up(origin_size_) / kPageSize, page_align_up(end) / kPageSize);
    for (uint64_t i = start / kPageSize; i < origin_end; ++i) {
      Result<Pfn> page = page_locked(i);
      if (!page.ok()) return page.error();
      clear_locked(max(start, i * kPageSize), min(end, (i + 1) * kPageSize));
    }
    if (first <= last) {
      clear_locked(start, first * kPageSize);
      clear_locked(last * kPageSize, end);
    } else {
      clear_locked(start, end);
    }
    drop_locked(max(first, origin_end), max(last, origin_end));
  }
  touch_modified();
  if (first < last) unmap_mapping_range(*this, first, last - first, false);
  return 0;
}

long MemoryFile::get_seals() {
  SpinlockGuard guard(lock_);
  return static_cast<long>(seals_);
}

long MemoryFile::add_seals(uint32_t seals) {
  if (seals & ~kAllSeals) return -EINVAL;
  SpinlockGuard guard(lock_);
  if (seals_ & F_SEAL_SEAL) return -EPERM;
  if ((seals & F_SEAL_WRITE) && !(seals_ & F_SEAL_WRITE) && writable_mappings_ > 0) return -EBUSY;
  // Sealing the mode of an executable file seals its contents too (mm/memfd.c).
  if ((seals & kSealExec) && (mode & 0111))
    seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
  seals_ |= seals;
  return 0;
}

Result<bool> MemoryFile::map_shared(bool writes) {
  SpinlockGuard guard(lock_);
  if (!(seals_ & kWriteSeals)) return true;
  if (writes) return Errno{EPERM};
  return false;
}

long MemoryFile::writable_mapping_added() {
  SpinlockGuard guard(lock_);
  if (seals_ & F_SEAL_WRITE) return -EPERM;
  ++writable_mappings_;
  return 0;
}

void MemoryFile::writable_mapping_removed() {
  SpinlockGuard guard(lock_);
  --writable_mappings_;
}

void MemoryFile::opened(File& file) {
  SpinlockGuard guard(lock_);
  ++openers_;
  // A shared mapping may write without telling.
  if (file.writable()) changed_ = true;
}

void MemoryFile::closed(File&) {
  SpinlockGuard guard(lock_);
  if (--openers_ == 0 && !changed_) drop_locked(0, PageCache::kEnd);
}

void MemoryFile::forget_contents() {
  SpinlockGuard guard(lock_);
  drop_locked(0, PageCache::kEnd);
}

}  // namespace mk
