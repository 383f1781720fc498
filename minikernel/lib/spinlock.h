// SPDX-License-Identifier: GPL-2.0-or-later
//
// A lock that spins. The kernel runs with interrupts off, so holding one keeps the CPU: who waits for it must
// answer other CPUs' TLB shootdowns meanwhile, or a holder that waits for the answer would wait for ever. Not
// recursive.
#pragma once

#include <stdint.h>

namespace mk {

// One turn of any loop that waits for another CPU (arch/x86_64/tlb.cpp).
void spin_relax();

class Spinlock {
 public:
  void lock() {
    while (__atomic_exchange_n(&locked_, true, __ATOMIC_ACQUIRE))
      while (__atomic_load_n(&locked_, __ATOMIC_RELAXED)) spin_relax();
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
