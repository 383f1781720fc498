// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/frame_allocator.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/percpu.h"
#include "lib/assert.h"
#include "lib/fault_injection.h"
#include "lib/string.h"
#include "mm/frame_table.h"
#include "mm/reclaim.h"
#include "mm/vmstat.h"

namespace mk {
namespace {

Spinlock pool_lock;
uint16_t* counts;  // unused when `in_descriptors`
bool in_descriptors;
uint32_t* pool;  // a stack: the frame freed last is handed out first
size_t pool_size;
size_t frames_given;
Pfn end_of_frames;

void refill(FrameCache& cache) {
  SpinlockGuard guard(pool_lock);
  while (cache.count < FrameCache::kBatch && pool_size > 0) cache.frames[cache.count++] = pool[--pool_size];
}

void spill(FrameCache& cache) {
  SpinlockGuard guard(pool_lock);
  for (size_t i = 0; i < FrameCache::kBatch; ++i) pool[pool_size++] = cache.frames[--cache.count];
}

}  // namespace

Pfn alloc_frame() {
  if (should_fail_allocation()) return 0;
  FrameCache* cache = &this_cpu().frames;
  if (cache->count == 0) refill(*cache);
  if (cache->count == 0 && reclaim_frames()) {
    cache = &this_cpu().frames;
    if (cache->count == 0) refill(*cache);
  }
  if (cache->count == 0) return 0;
  Pfn pfn = cache->frames[--cache->count];
  count_vm_event(VmEvent::kPageAlloc);
  if (in_descriptors) {
    uint32_t& references = frame_descriptor(pfn).references;
    KASSERT(references == 0);
    references = 1;
  } else {
    KASSERT(counts[pfn] == 0);
    counts[pfn] = 1;
  }
  return pfn;
}

Pfn alloc_zeroed_frame() {
  Pfn pfn = alloc_frame();
  if (pfn != 0) memset(phys_to_virt(pfn * kPageSize), 0, kPageSize);
  return pfn;
}

bool frame_get(Pfn pfn) {
  KASSERT(pfn < end_of_frames);
  if (in_descriptors) return frame_get_many(pfn, 1);
  uint16_t seen = __atomic_load_n(&counts[pfn], __ATOMIC_RELAXED);
  do {
    KASSERT(seen != 0);
    if (seen == UINT16_MAX) return false;
  } while (!__atomic_compare_exchange_n(&counts[pfn], &seen, static_cast<uint16_t>(seen + 1), true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return true;
}

namespace {

void free_frame(Pfn pfn) {
  if (in_descriptors) frame_descriptor(pfn).flags = 0;
  count_vm_event(VmEvent::kPageFree);
  FrameCache& cache = this_cpu().frames;
  if (cache.count == FrameCache::kCapacity) spill(cache);
  cache.frames[cache.count++] = static_cast<uint32_t>(pfn);
}

}  // namespace

void frame_put(Pfn pfn) {
  if (in_descriptors) return frame_put_many(pfn, 1);
  KASSERT(pfn < end_of_frames);
  uint16_t before = __atomic_fetch_sub(&counts[pfn], 1, __ATOMIC_ACQ_REL);
  KASSERT(before != 0);
  if (before == 1) free_frame(pfn);
}

bool frame_get_many(Pfn pfn, uint32_t count) {
  KASSERT(in_descriptors && pfn < end_of_frames);
  uint32_t& references = frame_descriptor(pfn).references;
  uint32_t seen = __atomic_load_n(&references, __ATOMIC_RELAXED);
  do {
    KASSERT(seen != 0);
    if (seen >= INT32_MAX - count) return false;
  } while (!__atomic_compare_exchange_n(&references, &seen, seen + count, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
  return true;
}

void frame_put_many(Pfn pfn, uint32_t count) {
  KASSERT(in_descriptors && pfn < end_of_frames);
  uint32_t before = __atomic_fetch_sub(&frame_descriptor(pfn).references, count, __ATOMIC_ACQ_REL);
  KASSERT(before >= count);
  if (before == count) free_frame(pfn);
}

void frame_put_later(Pfn pfn) {
  FrameDropLog& log = this_cpu().dropped;
  if (log.count == FrameDropLog::kCapacity) return frame_put(pfn);
  log.frames[log.count++] = static_cast<uint32_t>(pfn);
  if (log.count == FrameDropLog::kDrainAt) apic_send_interrupt(this_cpu().apic_id, kDrainVector);
}

void drain_dropped_frames() {
  FrameDropLog& log = this_cpu().dropped;
  while (log.count > 0) frame_put(log.frames[--log.count]);
}

unsigned frame_count(Pfn pfn) {
  return in_descriptors ? __atomic_load_n(&frame_descriptor(pfn).references, __ATOMIC_RELAXED)
                        : __atomic_load_n(&counts[pfn], __ATOMIC_RELAXED);
}

Pfn frames_end() { return end_of_frames; }

size_t total_frame_count() { return frames_given; }

size_t free_frame_count() {
  SpinlockGuard guard(pool_lock);
  size_t count = pool_size;
  for (unsigned i = 0; i < cpu_count(); ++i) count += __atomic_load_n(&cpu(i).frames.count, __ATOMIC_RELAXED);
  return count;
}

void init_frame_allocator(uint16_t* frame_counts, uint32_t* frame_pool, Pfn end) {
  counts = frame_counts;
  pool = frame_pool;
  end_of_frames = end;
}

void count_frames_in_descriptors() { in_descriptors = true; }

void give_frames(Pfn start, Pfn end) {
  KASSERT(start != 0 && end <= end_of_frames);
  // Highest first, so that the lowest is handed out first.
  for (Pfn pfn = end; pfn > start; --pfn) pool[pool_size++] = static_cast<uint32_t>(pfn - 1);
  frames_given += end - start;
}

}  // namespace mk
