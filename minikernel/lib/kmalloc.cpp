// SPDX-License-Identifier: GPL-2.0-or-later
//
// A slab is a frame: a header at its start, then objects of one size at multiples of that size. Slabs with a
// free object are in their class's list.
#include "lib/kmalloc.h"

#include <stdint.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/assert.h"
#include "lib/spinlock.h"
#include "mm/frame_allocator.h"

namespace mk {
namespace {

constexpr size_t kSmallest = 32;
constexpr int kClasses = 7;  // 32 to 2048 bytes

struct FreeObject {
  FreeObject* next;
};

// As large as the smallest object: in every slab it takes the place of the first object.
struct Slab {
  FreeObject* free;
  Slab* next;
  Slab* previous;
  uint32_t used;
  uint32_t size_class;
};
static_assert(sizeof(Slab) == kSmallest);

Spinlock lock;
Slab* partial[kClasses];  // slabs with a free object

size_t class_bytes(int size_class) { return kSmallest << size_class; }
unsigned capacity(int size_class) { return static_cast<unsigned>(kPageSize / class_bytes(size_class)) - 1; }

void link(Slab* slab) {
  Slab*& head = partial[slab->size_class];
  slab->previous = nullptr;
  slab->next = head;
  if (head != nullptr) head->previous = slab;
  head = slab;
}

void unlink(Slab* slab) {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  (slab->previous != nullptr ? slab->previous->next : partial[slab->size_class]) = slab->next;
}

Slab* new_slab(int size_class) {
  Pfn pfn = alloc_frame();
  if (pfn == 0) return nullptr;
  auto* start = static_cast<uint8_t*>(phys_to_virt(pfn * kPageSize));
  auto* slab = ::new (start) Slab{nullptr, nullptr, nullptr, 0, static_cast<uint32_t>(size_class)};
  for (unsigned i = capacity(size_class); i > 0; --i)
    slab->free = ::new (start + i * class_bytes(size_class)) FreeObject{slab->free};
  link(slab);
  return slab;
}

}  // namespace

void* kmalloc(size_t bytes) {
  if (bytes > kMaxKmalloc) return nullptr;
  int size_class = 0;
  while (size_class < kClasses && class_bytes(size_class) < bytes) ++size_class;
  if (size_class == kClasses) {
    Pfn pfn = alloc_frame();
    return pfn == 0 ? nullptr : phys_to_virt(pfn * kPageSize);
  }
  SpinlockGuard guard(lock);
  Slab* slab = partial[size_class];
  if (slab == nullptr) slab = new_slab(size_class);
  if (slab == nullptr) return nullptr;
  FreeObject* object = slab->free;
  slab->free = object->next;
  if (++slab->used == capacity(size_class)) unlink(slab);
  return object;
}

void kfree(void* pointer) {
  if (pointer == nullptr) return;
  auto address = reinterpret_cast<uint64_t>(pointer);
  // No object starts a slab's page: what does is a whole frame.
  if (page_aligned(address)) return frame_put(virt_to_phys(pointer) / kPageSize);
  auto* slab = reinterpret_cast<Slab*>(page_align_down(address));
  SpinlockGuard guard(lock);
  KASSERT(slab->used > 0 && slab->size_class < kClasses && address % class_bytes(slab->size_class) == 0);
  if (slab->used-- == capacity(slab->size_class)) link(slab);
  slab->free = ::new (pointer) FreeObject{slab->free};
  if (slab->used > 0) return;
  unlink(slab);
  frame_put(virt_to_phys(slab) / kPageSize);
}

}  // namespace mk
