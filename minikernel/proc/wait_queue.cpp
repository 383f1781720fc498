// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/wait_queue.h"

#include "arch/x86_64/clock.h"
#include "proc/task.h"

namespace mk {

Waiter::Waiter(WaitQueue& queue) : queue_(queue), task_(&current()) { join(); }
Waiter::Waiter(WaitQueue& queue, WaitQueue& woken) : queue_(queue), woken_(&woken) { join(); }

void Waiter::join() {
  SpinlockGuard guard(queue_.lock_);
  previous_ = queue_.last_;
  (previous_ != nullptr ? previous_->next_ : queue_.first_) = this;
  queue_.last_ = this;
}

Waiter::~Waiter() {
  SpinlockGuard guard(queue_.lock_);
  (previous_ != nullptr ? previous_->next_ : queue_.first_) = next_;
  (next_ != nullptr ? next_->previous_ : queue_.last_) = previous_;
}

void Waiter::wake() {
  if (woken_ != nullptr) return woken_->wake();
  wake_task(*task_);
}

void WaitQueue::wake() {
  SpinlockGuard guard(lock_);
  ++wakes_;
  for (Waiter* waiter = first_; waiter != nullptr; waiter = waiter->next_) waiter->wake();
}

void ends_sleep_for(Sleep kind) {
  Task& task = current();
  task.ends_for_signal = kind == Sleep::kInterruptible;
  task.ends_for_kill = kind == Sleep::kKillable;
}

bool must_wake(Sleep kind) {
  const Task& task = current();
  return (kind == Sleep::kInterruptible && signal_pending(task)) ||
         (kind == Sleep::kKillable && kill_pending(task));
}

SleepTimer::SleepTimer(uint64_t end) : task_(current()), end_(end) {
  if (end == kNever) return;
  timer_.function = [](Timer& timer) {
    // The timer is the first member of its SleepTimer.
    wake_task(reinterpret_cast<SleepTimer&>(timer).task_);
    return kNever;
  };
  start_timer(timer_, end);
}

SleepTimer::~SleepTimer() {
  if (end_ != kNever) stop_timer(timer_);
}

bool SleepTimer::over() const { return end_ != kNever && now_ns() >= end_; }

}  // namespace mk
