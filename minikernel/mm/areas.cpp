// SPDX-License-Identifier: GPL-2.0-or-later
//
// The areas of an address space as a list that is cut and joined: Linux's mm/vma.c. All with mmap_lock held
// for writing. A caller that changes a range cuts it out (isolate), changes it, and joins what became equal
// (merge_range) over the whole range, also when it gives up in between: areas that differ in nothing never
// stay apart. Whatever can fail comes before the first change.
#include "lib/assert.h"
#include "mm/address_space.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

// Soft-dirty tracking does not keep areas apart (Linux's VM_IGNORE_MERGE): the joined one has it when one
// had.
bool can_merge(const Vma& low, const Vma& high) {
  return low.end == high.start && ((low.flags ^ high.flags) & ~kVmSoftDirty) == 0 && low.file == high.file &&
         low.userfaultfd == high.userfaultfd && (low.anonymous() || low.file_offset(low.end) == high.offset);
}

}  // namespace

// EPERM: the file was sealed against writing.
Result<Vma*> AddressSpace::new_vma(uint64_t start, uint64_t end, uint64_t flags, const Ref<File>& file,
                                   uint64_t offset) {
  Vma* vma = mk::create<Vma>();
  if (vma == nullptr) return Errno{ENOMEM};
  vma->start = start;
  vma->end = end;
  vma->flags = flags;
  vma->file = file;
  vma->offset = file ? offset : 0;
  if (file && vma->may_write_shared()) {
    if (long error = file->inode().writable_mapping_added(); error < 0) {
      destroy(vma);
      return Errno{static_cast<int>(-error)};
    }
  }
  return vma;
}

void AddressSpace::free_vma(Vma* vma) {
  if (vma->file && vma->may_write_shared()) vma->file->inode().writable_mapping_removed();
  destroy(vma);
}

void AddressSpace::insert(Vma* vma) {
  vmas_.insert(vma);
  account(*vma, 1);
}

void AddressSpace::remove(Vma* vma) {
  account(*vma, -1);
  vmas_.erase(vma);
  free_vma(vma);
}

void AddressSpace::account(const Vma& vma, int sign) {
  uint64_t pages = vma.size() / kPageSize;
  uint64_t change = sign > 0 ? pages : -pages;
  total_pages_ += change;
  if (is_data_mapping(vma.flags)) data_pages_ += change;
  if (vma.flags & kVmLocked) locked_pages_ += change;
}

bool AddressSpace::may_expand(uint64_t flags, uint64_t bytes) const {
  if (total_pages_ + bytes / kPageSize > current().limit(RLIMIT_AS) / kPageSize) return false;
  return !is_data_mapping(flags) || may_expand_data(bytes);
}

bool AddressSpace::may_expand_data(uint64_t bytes) const {
  const Limit& limit = current().process->limits[RLIMIT_DATA];
  // A limit of 0 is what debuggers like Valgrind set to keep brk away; the hard limit counts then.
  uint64_t most = limit.soft == 0 ? limit.hard : limit.soft;
  return data_pages_ + bytes / kPageSize <= most / kPageSize;
}

void AddressSpace::set_flags(Vma* vma, uint64_t flags) {
  account(*vma, -1);
  vma->flags = flags;
  account(*vma, 1);
}

// Makes `address` a boundary between areas, if it lies inside one.
long AddressSpace::split_at(uint64_t address) {
  Vma* vma = vmas_.find(address);
  if (vma == nullptr || vma->start >= address) return 0;
  Result<Vma*> high = new_vma(address, vma->end, vma->flags, vma->file, vma->file_offset(address));
  if (!high.ok()) return high.error();
  vma->end = address;
  (*high)->userfaultfd = vma->userfaultfd;
  (*high)->has_anon_pages = vma->has_anon_pages;
  vmas_.insert(*high);  // as many pages as before: nothing to account
  return 0;
}

// Whether the list has room for [start, end) of `vma` as an area with other flags. Where it joins a neighbour
// only the boundary moves.
bool AddressSpace::room_to_isolate(const Vma& vma, uint64_t start, uint64_t end, uint64_t flags,
                                   const Ref<Userfaultfd>& userfaultfd) const {
  size_t cuts = (start > vma.start) + (end < vma.end);
  Vma changed;
  changed.start = start;
  changed.end = end;
  changed.flags = flags;
  changed.file = vma.file;
  changed.userfaultfd = userfaultfd;
  changed.offset = vma.anonymous() ? 0 : vma.file_offset(start);
  size_t joins = (start == vma.start && vma.previous != nullptr && can_merge(*vma.previous, changed)) +
                 (end == vma.end && vma.next != nullptr && can_merge(changed, *vma.next));
  return cuts <= joins || vmas_.size() + cuts - joins <= kMaxMapCount;
}

// Gives [start, end), which lies inside `vma`, other flags, as an area of its own, which is returned. ENOMEM:
// nothing has changed, but the caller still has to merge.
Result<Vma*> AddressSpace::isolate(Vma& vma, uint64_t start, uint64_t end, uint64_t flags) {
  return isolate(vma, start, end, flags, vma.userfaultfd);
}

// The same, with another userfaultfd or none.
Result<Vma*> AddressSpace::isolate(Vma& vma, uint64_t start, uint64_t end, uint64_t flags,
                                   Ref<Userfaultfd> userfaultfd) {
  if (!room_to_isolate(vma, start, end, flags, userfaultfd)) return Errno{ENOMEM};
  long error = split_at(start);
  if (error == 0) error = split_at(end);
  if (error < 0) return Errno{static_cast<int>(-error)};
  Vma* own = vmas_.find(start);
  set_flags(own, flags);
  own->userfaultfd = userfaultfd;
  return own;
}

// Joins areas that differ in nothing, from the one before `start` to the one after `end`.
void AddressSpace::merge_range(uint64_t start, uint64_t end) {
  Vma* vma = vmas_.find(start == 0 ? 0 : start - 1);
  while (vma != nullptr && vma->next != nullptr && vma->next->start <= end) {
    Vma* high = vma->next;
    if (!can_merge(*vma, *high)) {
      vma = high;
      continue;
    }
    uint64_t merged_end = high->end;
    vma->has_anon_pages |= high->has_anon_pages;
    vma->flags |= high->flags & kVmSoftDirty;
    vmas_.erase(high);
    free_vma(high);  // the joined area has as many pages: nothing to account
    vma->end = merged_end;
  }
}

bool AddressSpace::any_sealed(uint64_t start, uint64_t end) const {
  for (Vma* vma = vmas_.find(start); vma != nullptr && vma->start < end; vma = vma->next)
    if (vma->sealed()) return true;
  return false;
}

uint64_t AddressSpace::mapped_bytes(uint64_t start, uint64_t end) const {
  uint64_t bytes = 0;
  for (Vma* vma = vmas_.find(start); vma != nullptr && vma->start < end; vma = vma->next)
    bytes += min(vma->end, end) - max(vma->start, start);
  return bytes;
}

}  // namespace mk
