// SPDX-License-Identifier: GPL-2.0-or-later
//
// A lock that spins. The kernel runs with interrupts off, so holding one keeps the CPU. Not recursive.
#pragma once

#include <stdint.h>

namespace mk {

class Spinlock {
 public:
  void lock() {
    while (__atomic_exchange_n(&locked_, true, __ATOMIC_ACQUIRE))
      while (__atomic_load_n(&locked_, __ATOMIC_RELAXED)) asm volatile("pause");
  }
  void unlock() { __atomic_store_n(&locked_, false, __ATOMIC_RELEASE); }

 private:
  bool locked_ = false;
};

class SpinlockGuard {
 public:
  explicit SpinlockGuard(Spinlock& lock) : lock_(lock) { lock_.lock(); }
  ~SpinlockGuard() { lock_.unlock(); }
  SpinlockGuard(const SpinlockGuard&) = delete;

 private:
  Spinlock& lock_;
};

}  // namespace mk
