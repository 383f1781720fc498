// SPDX-License-Identifier: GPL-2.0-or-later
//
// Looking at an address space from outside, for /proc: Linux's fs/proc/task_mmu.c. Changes nothing. How many
// mappings a frame has is told by its count: one reference for each entry, one for the file it belongs to.
// What copying faults have put off dropping on this CPU is dropped first.
#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr uint64_t kMapSoftDirty = 1ul << 55;
constexpr uint64_t kMapExclusive = 1ul << 56;
constexpr uint64_t kMapUffdWp = 1ul << 57;
constexpr uint64_t kMapGuard = 1ul << 58;
constexpr uint64_t kMapFile = 1ul << 61;
constexpr uint64_t kMapSwap = 1ul << 62;
constexpr uint64_t kMapPresent = 1ul << 63;

unsigned mappings_of(Pfn pfn, bool file_page) {
  unsigned count = frame_count(pfn);
  return max(1u, file_page ? count - 1 : count);
}

void count_page(PageCounts& counts, const Vma& vma, Pte entry) {
  bool file_page = entry.has(Pte::kFile);
  bool shmem = file_page && vma.file->inode().file_system == FileSystem::kNameless;
  ++(!file_page ? counts.anonymous : shmem ? counts.shmem : counts.file);
  unsigned mappings = mappings_of(entry.pfn(), file_page);
  bool dirty = entry.has(Pte::kDirty) || !file_page;
  bool shared = mappings > 1;
  ++(shared  ? dirty ? counts.shared_dirty : counts.shared_clean
     : dirty ? counts.private_dirty
             : counts.private_clean);
  if (entry.has(Pte::kAccessed)) ++counts.referenced;
  counts.proportional += kPageSize / mappings;
  if (dirty) counts.proportional_dirty += kPageSize / mappings;
}

uint64_t pagemap_word(const Vma& vma, Pte entry) {
  uint64_t word = vma.flags & kVmSoftDirty ? kMapSoftDirty : 0;
  if (entry.none()) return word;
  if (entry.has(Pte::kSoftDirty)) word |= kMapSoftDirty;
  if (entry.has(Pte::kUffdWp)) word |= kMapUffdWp;
  if (entry.guard()) word |= kMapGuard;
  if (!entry.maps_page()) return word | kMapSwap;
  word |= kMapPresent | entry.pfn();
  if (entry.special()) return word;
  bool file_page = entry.has(Pte::kFile);
  if (file_page) word |= kMapFile;
  if (mappings_of(entry.pfn(), file_page) == 1) word |= kMapExclusive;
  return word;
}

}  // namespace

void PageCounts::add(const PageCounts& other) {
  anonymous += other.anonymous;
  file += other.file;
  shmem += other.shmem;
  swap += other.swap;
  private_clean += other.private_clean;
  private_dirty += other.private_dirty;
  shared_clean += other.shared_clean;
  shared_dirty += other.shared_dirty;
  referenced += other.referenced;
  proportional += other.proportional;
  proportional_dirty += other.proportional_dirty;
  locked += other.locked;
}

PageCounts AddressSpace::page_counts_locked(const Vma& vma) {
  PageCounts counts;
  drain_dropped_frames();
  page_table_.for_each(vma.start, vma.end, [&](uint64_t, Pte* entry) {
    Pte now = read_pte(entry);
    if (now.maps_page() && !now.special()) count_page(counts, vma, now);  // markers are no swapped pages
  });
  if (vma.flags & kVmLocked) counts.locked = counts.proportional;
  return counts;
}

PageCounts AddressSpace::page_counts() {
  PageCounts total;
  for_each_vma([&](const Vma& vma) { total.add(page_counts_locked(vma)); });
  return total;
}

void AddressSpace::pagemap_entries(uint64_t address, uint64_t* out, size_t pages) {
  drain_dropped_frames();
  MmapReadGuard guard(mmap_lock_);
  memset(out, 0, pages * sizeof(*out));
  uint64_t end = address + pages * kPageSize;
  for (const Vma* vma = vmas_.find(address); vma != nullptr && vma->start < end; vma = vma->next) {
    for (uint64_t at = max(address, vma->start); at < min(end, vma->end); at += kPageSize) {
      Pte* entry = page_table_.find(at);
      if (entry == nullptr) {
        out[(at - address) / kPageSize] = pagemap_word(*vma, Pte());
        continue;
      }
      PteLock lock(entry);
      out[(at - address) / kPageSize] = pagemap_word(*vma, read_pte(entry));
    }
  }
}

size_t AddressSpace::peek_memory(uint64_t address, void* out, size_t bytes) {
  MmapReadGuard guard(mmap_lock_);
  auto* to = static_cast<char*>(out);
  size_t done = 0;
  while (done < bytes && address + done < kUserEnd) {
    uint64_t at = address + done;
    Pte* entry = page_table_.find(at);
    if (entry == nullptr) break;
    PteLock lock(entry);
    if (!read_pte(entry).maps_page()) break;
    size_t part = min(bytes - done, static_cast<size_t>(kPageSize - at % kPageSize));
    memcpy(to + done, static_cast<char*>(phys_to_virt(read_pte(entry).pfn() * kPageSize)) + at % kPageSize,
           part);
    done += part;
  }
  return done;
}

}  // namespace mk
