// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/kernel_stack.h"

#include "arch/x86_64/page_table.h"
#include "lib/assert.h"
#include "lib/spinlock.h"

namespace mk {
namespace {

constexpr unsigned kPages = kTaskStackBytes / kPageSize;
constexpr unsigned kMostMapped = 32;

Spinlock lock;
unsigned never_used;           // places from here on
uint16_t unmapped[kMaxTasks];  // places that were used, without frames
unsigned unmapped_count;
uint16_t mapped[kMostMapped];  // free stacks with frames
unsigned mapped_count;

uint64_t bottom_of(unsigned place) { return kTaskStacksStart + place * kTaskStackStride + kPageSize; }

// Takes the pages' frames away on all CPUs, then drops them.
void unmap(unsigned place, unsigned pages) {
  uint64_t bottom = bottom_of(place);
  Pfn frames[kPages];
  for (unsigned i = 0; i < pages; ++i)
    frames[i] = set_pte(kernel_page_table().find(bottom + i * kPageSize), Pte()).pfn();
  flush_kernel_tlb(bottom, bottom + pages * kPageSize);
  for (unsigned i = 0; i < pages; ++i) frame_put(frames[i]);
}

void give_place(unsigned place) {
  SpinlockGuard guard(lock);
  unmapped[unmapped_count++] = static_cast<uint16_t>(place);
}

}  // namespace

uint64_t alloc_kernel_stack() {
  unsigned place;
  {
    SpinlockGuard guard(lock);
    if (mapped_count > 0) return bottom_of(mapped[--mapped_count]) + kTaskStackBytes;
    if (unmapped_count > 0) {
      place = unmapped[--unmapped_count];
    } else if (never_used < kMaxTasks) {
      place = never_used++;
    } else {
      return 0;
    }
  }
  constexpr uint64_t kBits = Pte::kPresent | Pte::kWrite | Pte::kGlobal | Pte::kExecuteDisable;
  for (unsigned i = 0; i < kPages; ++i) {
    Pfn pfn = alloc_frame();
    if (pfn == 0) {
      unmap(place, i);
      give_place(place);
      return 0;
    }
    set_pte(kernel_page_table().find(bottom_of(place) + i * kPageSize), Pte::for_frame(pfn, kBits));
  }
  return bottom_of(place) + kTaskStackBytes;
}

void free_kernel_stack(uint64_t top) {
  auto place = static_cast<unsigned>((top - kTaskStacksStart) / kTaskStackStride);
  KASSERT(top == bottom_of(place) + kTaskStackBytes);
  {
    SpinlockGuard guard(lock);
    if (mapped_count < kMostMapped) {
      mapped[mapped_count++] = static_cast<uint16_t>(place);
      return;
    }
  }
  unmap(place, kPages);
  give_place(place);
}

bool release_free_stacks() {
  bool any = false;
  while (true) {
    unsigned place;
    {
      SpinlockGuard guard(lock);
      if (mapped_count == 0) return any;
      place = mapped[--mapped_count];
    }
    unmap(place, kPages);
    give_place(place);
    any = true;
  }
}

}  // namespace mk
