// SPDX-License-Identifier: GPL-2.0-or-later
//
// Looking at an address space from outside, for /proc: Linux's fs/proc/task_mmu.c. Changes nothing.
#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/mappings.h"
#include "mm/user_memory.h"

namespace mk {
namespace {

constexpr uint64_t kMapFrame = (1ul << 55) - 1;
constexpr uint64_t kMapSoftDirty = 1ul << 55;
constexpr uint64_t kMapExclusive = 1ul << 56;
constexpr uint64_t kMapUffdWp = 1ul << 57;
constexpr uint64_t kMapGuard = 1ul << 58;
constexpr uint64_t kMapFile = 1ul << 61;
constexpr uint64_t kMapSwap = 1ul << 62;
constexpr uint64_t kMapPresent = 1ul << 63;

void count_page(PageCounts& counts, const Vma& vma, Pte entry) {
  bool file_page = entry.has(Pte::kFile);
  bool shmem = file_page && vma.file->inode().file_system == FileSystem::kNameless;
  ++(!file_page ? counts.anonymous : shmem ? counts.shmem : counts.file);
  if (entry.has(Pte::kAccessed)) ++counts.referenced;
}

void count_shares(PageCounts& counts, Pte entry, unsigned mappings) {
  bool dirty = entry.has(Pte::kDirty) || !entry.has(Pte::kFile);
  bool shared = mappings > 1;
  ++(shared  ? dirty ? counts.shared_dirty : counts.shared_clean
     : dirty ? counts.private_dirty
             : counts.private_clean);
  counts.proportional += kPageSize / mappings;
  if (dirty) counts.proportional_dirty += kPageSize / mappings;
}

bool has_frame(Pte entry) { return entry.maps_page() && !entry.special(); }  // markers are no swapped pages

uint64_t pagemap_word(const Vma& vma, Pte entry) {
  uint64_t word = vma.flags & kVmSoftDirty ? kMapSoftDirty : 0;
  if (entry.none()) return word;
  if (entry.has(Pte::kSoftDirty)) word |= kMapSoftDirty;
  if (entry.has(Pte::kUffdWp)) word |= kMapUffdWp;
  if (entry.guard()) word |= kMapGuard;
  if (!entry.maps_page()) return word | kMapSwap;
  word |= kMapPresent | entry.pfn();
  return !entry.special() && entry.has(Pte::kFile) ? word | kMapFile : word;
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
  page_table_.for_each(vma.start, vma.end, [&](uint64_t, Pte* entry) {
    Pte now = read_pte(entry);
    if (has_frame(now)) count_page(counts, vma, now);
  });
  return counts;
}

PageCounts AddressSpace::shared_counts_locked(const Vma& vma, MappingCounter& counter) {
  PageCounts counts;
  for (uint64_t at = page_table_.skip_holes(vma.start); at < vma.end;) {
    uint64_t end = min(vma.end, at + counter.most() * kPageSize);
    counter.clear();
    page_table_.for_each(at, end, [&](uint64_t, Pte* entry) {
      Pte now = read_pte(entry);
      if (has_frame(now)) counter.add(now);
    });
    counter.count();
    for (size_t i = 0; i < counter.size(); ++i) {
      Pte entry = counter.entry(i);
      count_page(counts, vma, entry);
      count_shares(counts, entry, counter.mappings(entry.pfn()));
    }
    at = page_table_.skip_holes(end);
  }
  if (vma.flags & kVmLocked) counts.locked = counts.proportional;
  return counts;
}

PageCounts AddressSpace::page_counts() {
  PageCounts total;
  for_each_vma([&](const Vma& vma) { total.add(page_counts_locked(vma)); });
  return total;
}

void AddressSpace::pagemap_entries(uint64_t address, size_t pages, FrameArray<uint64_t>& words,
                                   MappingCounter& counter) {
  counter.clear();
  words.clear();
  uint64_t end = address + pages * kPageSize;
  MmapReadGuard guard(mmap_lock_);
  for (const Vma* vma = vmas_.find(address); vma != nullptr && vma->start < end; vma = vma->next) {
    uint64_t from = max(address, vma->start), to = min(end, vma->end);
    for (uint64_t at = from; at < to; at += kPageSize)
      words[(at - address) / kPageSize] = pagemap_word(*vma, Pte());
    // With the table's lock: a page that is being replaced has no entry for a moment.
    page_table_.for_each(from, to, [&](uint64_t at, Pte* entry) {
      Pte now = read_pte(entry);
      uint64_t& word = words[(at - address) / kPageSize] = pagemap_word(*vma, now);
      if (!has_frame(now)) return;
      word |= kMapExclusive;  // until other mappings are found
      counter.add(now);
    });
  }
  counter.count();
  for (size_t i = 0; i < pages; ++i)
    if (words[i] & kMapExclusive && counter.mappings(words[i] & kMapFrame) > 1) words[i] &= ~kMapExclusive;
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
