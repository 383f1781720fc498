// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/timer.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/percpu.h"
#include "lib/spinlock.h"
#include "proc/scheduler.h"

namespace mk {
namespace {

struct TimerList {
  Spinlock lock;
  Timer* first = nullptr;
};
TimerList lists[kMaxCpus];

void insert(TimerList& list, Timer& timer) {
  Timer* before = nullptr;
  Timer* after = list.first;
  while (after != nullptr && after->expires <= timer.expires) {
    before = after;
    after = after->next;
  }
  timer.previous = before;
  timer.next = after;
  (before != nullptr ? before->next : list.first) = &timer;
  if (after != nullptr) after->previous = &timer;
  timer.queued = true;
}

void remove(TimerList& list, Timer& timer) {
  (timer.previous != nullptr ? timer.previous->next : list.first) = timer.next;
  if (timer.next != nullptr) timer.next->previous = timer.previous;
  timer.next = timer.previous = nullptr;
  timer.queued = false;
}

}  // namespace

void start_timer(Timer& timer, uint64_t expires) {
  stop_timer(timer);
  if (expires == kNever) return;
  TimerList& list = lists[this_cpu().index];
  {
    SpinlockGuard guard(list.lock);
    timer.cpu = this_cpu().index;
    timer.expires = expires;
    insert(list, timer);
  }
  program_timer();
}

void stop_timer(Timer& timer) {
  TimerList& list = lists[__atomic_load_n(&timer.cpu, __ATOMIC_RELAXED)];
  SpinlockGuard guard(list.lock);
  if (timer.queued) remove(list, timer);
}

void program_timer() {
  PerCpu& cpu = this_cpu();
  uint64_t next = kNever;
  {
    TimerList& list = lists[cpu.index];
    SpinlockGuard guard(list.lock);
    if (list.first != nullptr) next = list.first->expires;
  }
  if (cpu.slice_armed && cpu.slice_start + kSliceNs < next) next = cpu.slice_start + kSliceNs;
  uint64_t now = now_ns();
  apic_set_timer(next == kNever ? 0 : next <= now ? 1 : next - now);
}

void run_timers() {
  TimerList& list = lists[this_cpu().index];
  {
    SpinlockGuard guard(list.lock);
    while (list.first != nullptr && list.first->expires <= now_ns()) {
      Timer& timer = *list.first;
      remove(list, timer);
      timer.expires = timer.function(timer);
      if (timer.expires != kNever) insert(list, timer);
    }
  }
  end_slice_if_over();
  program_timer();
}

bool any_timer_before(uint64_t time) {
  for (unsigned i = 0; i < cpu_count(); ++i) {
    SpinlockGuard guard(lists[i].lock);
    if (lists[i].first != nullptr && lists[i].first->expires < time) return true;
  }
  return false;
}

}  // namespace mk
