// SPDX-License-Identifier: GPL-2.0-or-later
//
// The copy of an address space for a child of fork: Linux's dup_mmap() and copy_page_range(). Private pages
// are shared with the child from then on, and neither may write them without a fault; what the copy-on-write
// policy does with them is its own. Pages of shared mappings and of files that nobody has written are left to
// the child's faults, as in Linux (vma_needs_copy).
#include "lib/string.h"
#include "mm/address_space.h"
#include "mm/entry.h"
#include "mm/tlb_batch.h"
#include "mm/user_memory.h"

namespace mk {

Result<Ref<AddressSpace>> AddressSpace::fork() {
  Ref<AddressSpace> child = create();
  if (!child) return Errno{ENOMEM};
  count_vm_event(VmEvent::kFork);
  UserfaultEvents events;
  long error;
  {
    MmapWriteGuard guard(mmap_lock_);
    // Nobody runs in the child, but a file that is truncated looks at it.
    MmapWriteGuard child_guard(child->mmap_lock_);
    error = cow().copied(*this, *child);
    if (error == 0) error = copy_areas(*child, events);
    // While no other thread moves them.
    child->argument_start = argument_start;
    child->argument_end = argument_end;
    child->environment_end = environment_end;
    child->start_brk_ = start_brk_;
    child->brk_ = brk_;
  }
  if (error < 0) {
    events.cancel();
    return Errno{static_cast<int>(-error)};
  }
  if (executable) {
    executable->inode().deny_write_access();  // as this address space does already
    child->set_executable(executable);
  }
  events.tell();
  return child;
}

namespace {

// A page that the file goes on sharing with both.
long copy_shared_entry(Pte now, Pte* target) {
  if (!frame_get(now.pfn())) return -ENOMEM;
  cow().map_file(now.pfn());
  set_pte(target, now.without(Pte::kDirty | Pte::kAccessed | Pte::kPin | Pte::kPinWrite));
  return 0;
}

}  // namespace

long AddressSpace::copy_areas(AddressSpace& child, UserfaultEvents& events) {
  for (const Vma* vma = vmas_.first(); vma != nullptr; vma = vma->next) {
    if (vma->flags & kVmDontCopy) continue;
    Ref<Userfaultfd> of_child;
    if (long error = events.add_fork(vma->userfaultfd, child, of_child); error < 0) return error;
    uint64_t flags = vma->flags & ~(kVmLockedMask | (of_child ? 0 : kVmUffd));
    Result<Vma*> made = new_vma(vma->start, vma->end, flags, vma->file, vma->offset);
    if (!made.ok()) return made.error();
    Vma* copy = *made;
    copy->userfaultfd = of_child;
    copy->has_anon_pages = vma->has_anon_pages;
    child.insert(copy);
    if (vma->flags & kVmWipeOnFork) {
      copy->has_anon_pages = false;
      continue;
    }
    // What is write-protected in the child is told by entries only (Linux's vma_needs_copy).
    if (!vma->has_anon_pages && !(copy->flags & kVmUffdWp)) continue;
    if (long error = copy_page_range(child, *vma, *copy); error < 0) return error;
  }
  return 0;
}

// On failure the parent's entries that were shared stay so: its next writes cost a fault each.
long AddressSpace::copy_page_range(AddressSpace& child, const Vma& vma, const Vma& copy) {
  TlbBatch batch(*this);
  long error = 0;
  int64_t copied = 0;
  page_table_.for_each(vma.start, vma.end, [&](uint64_t linear, Pte* entry) {
    Pte now = read_pte(entry);
    uint64_t dropped = copy.flags & kVmUffdWp ? 0 : Pte::kUffdWp;  // without a monitor nothing is protected
    if (error < 0 || now.without(dropped | Pte::kSoftDirty).none()) return;
    // Of shared memory the child finds the pages itself, but no markers.
    if (!vma.is_private() && now.maps_page() && !(copy.flags & kVmUffdWp)) return;
    Pte* target = child.page_table_.ensure(linear);
    if (target == nullptr) {
      error = -ENOMEM;
      return;
    }
    if (!now.maps_page() || now.special()) {
      set_pte(target, now.without(dropped | Pte::kWrite));
      return;
    }
    if (!vma.is_private()) {
      error = copy_shared_entry(now.without(dropped), target);
      copied += error == 0;
      return;
    }
    Pte for_child;
    switch (cow().fork_page(*this, linear, entry, for_child)) {
      case CowPolicy::ForkOf::kShared:
        if (now.writable()) batch.changed(linear);
        break;
      case CowPolicy::ForkOf::kCopy: {
        Pfn copy = alloc_frame();
        if (copy != 0) {
          memcpy(phys_to_virt(copy * kPageSize), phys_to_virt(now.pfn() * kPageSize), kPageSize);
          for_child = child.new_page_entry(vma, copy, now.value() & Pte::kUffdWp);
          count_vm_event(VmEvent::kCowForkCopy);
          break;
        }
        [[fallthrough]];
      }
      case CowPolicy::ForkOf::kFull:
        error = -ENOMEM;
        return;
    }
    set_pte(target, for_child.without(dropped));
    ++copied;
  });
  batch.flush();
  child.count_rss(copied);
  return error;
}

}  // namespace mk
