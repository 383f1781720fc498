// SPDX-License-Identifier: GPL-2.0-or-later
//
// The reader/writer lock of an address space (Linux's mmap_lock). Spins: the kernel is not preemptible and no
// holder sleeps. A waiting writer keeps new readers out, so that it gets its turn. Not recursive.
#pragma once

#include <stdint.h>

#include "lib/spinlock.h"

namespace mk {

class MmapLock {
 public:
  void lock_read() {
    while (true) {
      uint32_t seen = __atomic_load_n(&state_, __ATOMIC_RELAXED);
      if ((seen & kWriter) == 0 && exchange(seen, seen + 1)) return;
      spin_relax();
    }
  }
  void unlock_read() { __atomic_fetch_sub(&state_, 1, __ATOMIC_RELEASE); }

  void lock_write() {
    while ((__atomic_fetch_or(&state_, kWriter, __ATOMIC_ACQUIRE) & kWriter) != 0) spin_relax();
    while (__atomic_load_n(&state_, __ATOMIC_ACQUIRE) != kWriter)
      spin_relax();  // the readers that were there leave
  }
  void unlock_write() { __atomic_fetch_and(&state_, ~kWriter, __ATOMIC_RELEASE); }

 private:
  static constexpr uint32_t kWriter = 1u << 31;

  bool exchange(uint32_t seen, uint32_t wanted) {
    return __atomic_compare_exchange_n(&state_, &seen, wanted, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }

  uint32_t state_ = 0;  // kWriter, and the number of readers
};

class MmapReadGuard {
 public:
  explicit MmapReadGuard(MmapLock& lock) : lock_(lock) { lock_.lock_read(); }
  ~MmapReadGuard() { unlock(); }
  MmapReadGuard(const MmapReadGuard&) = delete;
  // Before its end, once.
  void unlock() {
    if (held_) lock_.unlock_read();
    held_ = false;
  }

 private:
  MmapLock& lock_;
  bool held_ = true;
};

class MmapWriteGuard {
 public:
  explicit MmapWriteGuard(MmapLock& lock) : lock_(lock) { lock_.lock_write(); }
  ~MmapWriteGuard() { lock_.unlock_write(); }
  MmapWriteGuard(const MmapWriteGuard&) = delete;

 private:
  MmapLock& lock_;
};

}  // namespace mk
