// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/pin_ledger.h"

#include "arch/x86_64/page_table.h"
#include "lib/assert.h"
#include "lib/kmalloc.h"
#include "lib/spinlock.h"

namespace mk {

struct PinNode {
  Pfn pfn;
  uint64_t pins;
  PinNode* next;
};

namespace {

struct Bucket {
  Spinlock lock;
  PinNode* first = nullptr;

  // The link to the frame's node; to null when there is none.
  PinNode** find(Pfn pfn) {
    PinNode** link = &first;
    while (*link != nullptr && (*link)->pfn != pfn) link = &(*link)->next;
    return link;
  }
  void add(Pfn pfn, PinNode*& node) {
    PinNode** link = find(pfn);
    if (*link == nullptr) {
      *link = ::new (node) PinNode{pfn, 0, nullptr};
      node = nullptr;
    }
    ++(*link)->pins;
  }
  void remove(Pfn pfn) {
    PinNode** link = find(pfn);
    PinNode* node = *link;
    KASSERT(node != nullptr && node->pins > 0);
    if (--node->pins > 0) return;
    *link = node->next;
    kfree(node);
  }
};

constexpr size_t kBuckets = 256;
Bucket buckets[kBuckets];
Bucket& bucket_of(Pfn pfn) { return buckets[pfn % kBuckets]; }

}  // namespace

PinNode* new_pin_node() { return static_cast<PinNode*>(kmalloc(sizeof(PinNode))); }
void free_pin_node(PinNode* node) { kfree(node); }

PinResult pin_entry(Pte* entry, Pte seen, Pte wanted, PinNode*& node) {
  Bucket& bucket = bucket_of(seen.pfn());
  SpinlockGuard guard(bucket.lock);
  // From here to the exchange nothing waits: see the header.
  if (!(read_pte(entry) == seen)) return PinResult::kChanged;
  if (!frame_get(seen.pfn())) return PinResult::kFull;
  bucket.add(seen.pfn(), node);
  if (compare_exchange_pte(entry, seen, wanted)) return PinResult::kPinned;
  bucket.remove(seen.pfn());
  frame_put(seen.pfn());
  return PinResult::kChanged;
}

bool pin_frame(Pfn pfn, PinNode*& node) {
  Bucket& bucket = bucket_of(pfn);
  SpinlockGuard guard(bucket.lock);
  if (!frame_get(pfn)) return false;
  bucket.add(pfn, node);
  return true;
}

void unpin_frame(Pfn pfn) {
  {
    Bucket& bucket = bucket_of(pfn);
    SpinlockGuard guard(bucket.lock);
    bucket.remove(pfn);
  }
  frame_put(pfn);
}

bool is_pinned(Pfn pfn) {
  Bucket& bucket = bucket_of(pfn);
  SpinlockGuard guard(bucket.lock);
  return *bucket.find(pfn) != nullptr;
}

}  // namespace mk
