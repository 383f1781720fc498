// SPDX-License-Identifier: GPL-2.0-or-later
//
// Tasks that wait for something. Who waits puts a Waiter into the queue, says that it sleeps, looks whether
// what it waits for has come, and only then gives the CPU away: a wake() in between is not lost.
// sleep_until() is that, whole. Who makes the thing come about does so under a lock of its own, then calls
// wake().
//
// The condition must neither sleep nor touch user memory; it may take spinlocks, and is looked at again after
// each wake.
#pragma once

#include <asm/errno.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/spinlock.h"
#include "proc/scheduler.h"

namespace mk {

class WaitQueue;

// One task in one queue; lives on the waiting task's stack. Or a queue in another one, which wakes it: never
// in a circle, and a few in a row at most.
class Waiter {
 public:
  explicit Waiter(WaitQueue& queue);  // of the running task
  Waiter(WaitQueue& queue, WaitQueue& woken);
  ~Waiter();
  Waiter(const Waiter&) = delete;

 private:
  friend class WaitQueue;
  void join();
  void wake();

  WaitQueue& queue_;
  Task* task_ = nullptr;
  WaitQueue* woken_ = nullptr;  // instead of a task
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

class WaitQueue {
 public:
  bool empty() const { return __atomic_load_n(&first_, __ATOMIC_ACQUIRE) == nullptr; }
  // How often wake() was called: something may have changed since an earlier count.
  uint32_t wakes() const { return __atomic_load_n(&wakes_, __ATOMIC_ACQUIRE); }
  void wake();  // all, those that came first first

 private:
  friend class Waiter;
  Spinlock lock_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  uint32_t wakes_ = 0;
};

enum class Sleep {
  kInterruptible,  // ends for a signal
  kKillable,       // ends for SIGKILL only
  kDeaf,           // ends for what it waits for only
};

// Tells who sends signals which of them end the running task's next sleep; before going_to_sleep().
void ends_sleep_for(Sleep kind);
// Whether a sleep of this kind has to end for a signal of the running task.
bool must_wake(Sleep kind);

// Wakes the running task at a time (now_ns()).
class SleepTimer {
 public:
  explicit SleepTimer(uint64_t end);
  ~SleepTimer();
  bool over() const;

 private:
  Timer timer_;
  Task& task_;
  uint64_t end_;
};

// 0: the condition holds. -ERESTARTSYS: a signal (as Linux calls it: see sys/restart). -ETIMEDOUT.
template <typename Condition>
long sleep_until(WaitQueue& queue, Condition condition, Sleep kind = Sleep::kInterruptible,
                 uint64_t end = kNever) {
  if (condition()) return 0;
  Waiter waiter(queue);
  SleepTimer timer(end);
  while (true) {
    ends_sleep_for(kind);  // the condition may have slept, too
    going_to_sleep();
    long result = condition() ? 0 : must_wake(kind) ? -kRestartSys : timer.over() ? -ETIMEDOUT : 1;
    if (result <= 0) {
      not_going_to_sleep();
      return result;
    }
    schedule();
  }
}

// Something that happens once, and those who wait for it.
class Completion : public RefCounted {
 public:
  void complete() {
    __atomic_store_n(&done_, true, __ATOMIC_RELEASE);
    queue_.wake();
  }
  long wait(Sleep kind) {
    return sleep_until(queue_, [this] { return __atomic_load_n(&done_, __ATOMIC_ACQUIRE); }, kind);
  }

 private:
  bool done_ = false;
  WaitQueue queue_;
};

// A lock whose holder may sleep and touch user memory.
class Mutex {
 public:
  void lock() {
    sleep_until(
        queue_, [this] { return !__atomic_exchange_n(&locked_, true, __ATOMIC_ACQUIRE); }, Sleep::kDeaf);
  }
  void unlock() {
    __atomic_store_n(&locked_, false, __ATOMIC_RELEASE);
    queue_.wake();
  }

 private:
  bool locked_ = false;
  WaitQueue queue_;
};

class MutexGuard {
 public:
  explicit MutexGuard(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexGuard() { mutex_.unlock(); }
  MutexGuard(const MutexGuard&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace mk
