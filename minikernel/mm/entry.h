// SPDX-License-Identifier: GPL-2.0-or-later
//
// What an area makes of an entry: the one place where VM_* flags become hardware bits (Linux's
// vm_get_page_prot). On x86-64 whatever may be written or executed may also be read. An area without any
// right keeps its frames in entries that are not present but remember them (Linux's _PAGE_PROTNONE, the same
// bit).
#pragma once

#include "arch/x86_64/pte.h"
#include "mm/cow/cow_policy.h"
#include "mm/vma.h"

namespace mk {

// The area allows writing, and the page is the address space's own or shared on purpose. W is then withheld
// only for write-protection and soft-dirty tracking (ARCHITECTURE.md, "Entries").
inline bool really_writable(Pte entry, const Vma& vma) {
  if (!(vma.flags & kVmWrite)) return false;
  return !vma.is_private() || entry.writable() || (!entry.special() && cow().writable_at_once(entry));
}

// W is withheld although the page is really writable.
inline bool write_is_watched(Pte entry, const Vma& vma) {
  return entry.has(Pte::kUffdWp) || (vma.tracks_soft_dirty() && !entry.has(Pte::kSoftDirty));
}

// The same frame and software bits, with the rights that `vma` gives now.
inline Pte with_protection(Pte entry, const Vma& vma, bool writable) {
  constexpr uint64_t kRights =
      Pte::kPresent | Pte::kProtNone | Pte::kWrite | Pte::kUser | Pte::kExecuteDisable;
  uint64_t rights = vma.flags & kVmAccess ? Pte::kPresent | Pte::kUser : Pte::kProtNone;
  if (!(vma.flags & kVmExec)) rights |= Pte::kExecuteDisable;
  if (writable && !write_is_watched(entry, vma)) rights |= Pte::kWrite;
  return entry.without(kRights).with(rights);
}

// Whether a TLB entry made from `before` could do what `after` forbids.
inline bool allows_less(Pte after, Pte before) {
  return (before.present() && !after.present()) || (before.writable() && !after.writable()) ||
         (after.has(Pte::kExecuteDisable) && !before.has(Pte::kExecuteDisable)) ||
         (before.present() && before.pfn() != after.pfn());
}

}  // namespace mk
