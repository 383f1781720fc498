// SPDX-License-Identifier: GPL-2.0-or-later
//
// A virtual memory area and the ordered set of them that is an address space's map. Addresses are byte
// addresses, page-aligned, [start, end). The set is a treap over the start address (expected O(log n)) whose
// nodes are also linked in address order. Areas never overlap; the set checks it. The set owns nothing: the
// address space creates and destroys areas. Flag values are those of Linux's VM_* (include/linux/mm.h), as
// /proc/PID/smaps decodes them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/memory_layout.h"
#include "fs/file.h"
#include "lib/ref.h"
#include "mm/userfaultfd.h"

namespace mk {

inline constexpr uint64_t kVmRead = 0x1;
inline constexpr uint64_t kVmWrite = 0x2;
inline constexpr uint64_t kVmExec = 0x4;
inline constexpr uint64_t kVmShared = 0x8;
inline constexpr uint64_t kVmMayRead = 0x10;
inline constexpr uint64_t kVmMayWrite = 0x20;
inline constexpr uint64_t kVmMayExec = 0x40;
inline constexpr uint64_t kVmMayShare = 0x80;
inline constexpr uint64_t kVmGrowsDown = 0x100;
inline constexpr uint64_t kVmUffdMissing = 0x200;
inline constexpr uint64_t kVmPfnMap = 0x400;
inline constexpr uint64_t kVmUffdWp = 0x1000;
inline constexpr uint64_t kVmLocked = 0x2000;
inline constexpr uint64_t kVmSequentialRead = 0x8000;
inline constexpr uint64_t kVmRandomRead = 0x10000;
inline constexpr uint64_t kVmDontCopy = 0x20000;
inline constexpr uint64_t kVmDontExpand = 0x40000;
inline constexpr uint64_t kVmLockOnFault = 0x80000;
inline constexpr uint64_t kVmAccount = 0x100000;
inline constexpr uint64_t kVmNoReserve = 0x200000;
inline constexpr uint64_t kVmWipeOnFork = 0x2000000;
inline constexpr uint64_t kVmDontDump = 0x4000000;
inline constexpr uint64_t kVmSoftDirty = 0x8000000;
inline constexpr uint64_t kVmHugePage = 0x20000000;
inline constexpr uint64_t kVmNoHugePage = 0x40000000;
inline constexpr uint64_t kVmUffdMinor = 1ul << 41;
inline constexpr uint64_t kVmSealed = 1ul << 63;
inline constexpr uint64_t kVmAccess = kVmRead | kVmWrite | kVmExec;
inline constexpr uint64_t kVmLockedMask = kVmLocked | kVmLockOnFault;
inline constexpr uint64_t kVmUffd = kVmUffdMissing | kVmUffdWp | kVmUffdMinor;

struct Vma {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t flags = 0;
  Ref<File> file;                // empty: anonymous
  uint64_t offset = 0;           // byte of the file at `start`; 0 when anonymous
  Ref<Userfaultfd> userfaultfd;  // set when and only when a flag of kVmUffd is
  bool has_anon_pages =
      false;  // some page of a private area may be the address space's own (Linux's anon_vma)

  Vma* previous = nullptr;  // in address order; kept by VmaSet
  Vma* next = nullptr;

  uint64_t size() const { return end - start; }
  bool contains(uint64_t address) const { return address >= start && address < end; }
  uint64_t file_offset(uint64_t address) const { return offset + (address - start); }
  bool anonymous() const { return !file; }
  // Copy-on-write applies: what is written is this address space's own. (A MAP_SHARED area of a file that is
  // not open for writing has no VM_SHARED, as in Linux: nobody can write it.)
  bool is_private() const { return (flags & kVmMayShare) == 0; }
  // Stores can reach the file, now or after mprotect: what a file's seals count.
  bool may_write_shared() const { return (flags & (kVmShared | kVmMayWrite)) == (kVmShared | kVmMayWrite); }
  bool sealed() const { return (flags & kVmSealed) != 0; }
  // The frames are no memory of ours (VM_PFNMAP).
  bool pfn_map() const { return (flags & kVmPfnMap) != 0; }
  // Writes since the last clear_refs are looked for: an entry without SOFT_DIRTY must not have W.
  bool tracks_soft_dirty() const { return (flags & kVmSoftDirty) == 0; }

 private:
  friend class VmaSet;
  Vma* left_ = nullptr;
  Vma* right_ = nullptr;
  uint32_t priority_ = 0;
};

class VmaSet {
 public:
  // The area with the lowest end above `address`: it contains it or lies above it. Linux's find_vma.
  Vma* find(uint64_t address) const;
  Vma* find_intersection(uint64_t start, uint64_t end) const;
  Vma* first() const { return first_; }
  Vma* last() const { return last_; }
  size_t size() const { return size_; }

  void insert(Vma* vma);
  void erase(Vma* vma);

 private:
  static void split(Vma* tree, uint64_t start, Vma** below, Vma** above);
  static Vma* join(Vma* below, Vma* above);

  Vma* root_ = nullptr;
  Vma* first_ = nullptr;
  Vma* last_ = nullptr;
  size_t size_ = 0;
  uint32_t priority_state_ = 0x9e3779b9;
};

}  // namespace mk
