// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/posix_timer.h"

#include <asm/errno.h>

#include "arch/x86_64/clock.h"
#include "mm/user_memory.h"
#include "proc/process.h"
#include "proc/task.h"

namespace mk {

// Guarded by tasks_lock, which comes after the timers' lists: who starts, stops or ends a timer holds
// `setting` instead, which comes before them.
struct PosixTimer {
  Timer timer;  // first, so that its function finds the rest
  Process* process;
  int id;
  TimerOrder order;
  TimerSetting setting;
  bool signalled = false;  // the signal is pending
  bool waiting = false;    // expired, and goes on when the signal is delivered
  uint64_t overrun = 0;    // of the last signal that was delivered
  PosixTimer* next;
};

namespace {

Spinlock setting_lock;

constexpr uint64_t kIgnoredNs = 1'000'000;    // between expiries that nobody hears of
constexpr uint64_t kMostOverrun = INT32_MAX;  // DELAYTIMER_MAX

PosixTimer* find(Process& process, int id) {
  PosixTimer* timer = process.posix_timers;
  while (timer != nullptr && timer->id != id) timer = timer->next;
  return timer;
}

// False: nobody is going to hear of it.
bool send(PosixTimer& timer) {
  siginfo_t info = {};
  info.si_signo = timer.order.signal;
  info.si_code = SI_TIMER;
  info.si_tid = timer.id;
  info.si_ptr = reinterpret_cast<void*>(timer.order.value);
  if (timer.order.tid == 0) {
    send_process_signal_locked(*timer.process, info);
    return timer.process->pending.set & signal_bit(info.si_signo);
  }
  Task* task = find_task(timer.order.tid);
  if (task == nullptr || task->process.raw() != timer.process) return false;
  send_signal_locked(*task, info);
  return task->signals.pending.set & signal_bit(info.si_signo);
}

// A periodic timer as far as it would be had it run on. How many expiries were missed.
uint64_t catch_up(PosixTimer& timer) {
  TimerSetting& setting = timer.setting;
  uint64_t now = now_ns();
  if (!timer.waiting || setting.interval_ns == 0 || setting.expires > now) return 0;
  uint64_t missed = (now - setting.expires) / setting.interval_ns;
  setting.expires += (missed + 1) * setting.interval_ns;
  timer.waiting = false;
  return missed;
}

// From the timer interrupt. When the signal is ignored the timer goes on by itself.
uint64_t expired(Timer& base) {
  SpinlockGuard guard(tasks_lock);
  auto& timer = reinterpret_cast<PosixTimer&>(base);
  timer.waiting = true;
  if (timer.order.signal == 0 || timer.signalled) return kNever;
  timer.signalled = send(timer);
  if (timer.signalled || timer.setting.interval_ns == 0) return kNever;
  catch_up(timer);
  return max(timer.setting.expires, now_ns() + kIgnoredNs);
}

TimerSetting left_of(const PosixTimer& timer) {
  TimerSetting setting = timer.setting;
  uint64_t now = now_ns();
  uint64_t next = setting.expires;
  if (next == kNever || (timer.waiting && setting.interval_ns == 0)) return {0, setting.interval_ns};
  if (next <= now && setting.interval_ns != 0)
    next += ((now - next) / setting.interval_ns + 1) * setting.interval_ns;
  return {next > now ? next - now : 1, setting.interval_ns};
}

}  // namespace

long create_posix_timer(const TimerOrder& order) {
  Process& process = *current().process;
  auto* timer = create<PosixTimer>();
  if (timer == nullptr) return -EAGAIN;
  timer->process = &process;
  timer->order = order;
  timer->timer.function = expired;
  SpinlockGuard guard(tasks_lock);
  Task* task = order.tid != 0 ? find_task(order.tid) : &current();
  if (task == nullptr || task->process.raw() != &process) {
    destroy(timer);
    return -EINVAL;
  }
  timer->id = process.next_posix_timer++;
  if (order.value_is_id) timer->order.value = static_cast<uint64_t>(timer->id);
  timer->next = process.posix_timers;
  process.posix_timers = timer;
  return timer->id;
}

long set_posix_timer(int id, const TimerSetting& setting, TimerSetting& left) {
  Process& process = *current().process;
  SpinlockGuard starting(setting_lock);
  PosixTimer* timer = nullptr;
  {
    SpinlockGuard guard(tasks_lock);
    timer = find(process, id);
    if (timer == nullptr) return -EINVAL;
    left = left_of(*timer);
  }
  stop_timer(timer->timer);
  {
    SpinlockGuard guard(tasks_lock);
    timer->setting = setting;
    timer->waiting = false;
    timer->overrun = 0;
  }
  start_timer(timer->timer, setting.expires);
  return 0;
}

long get_posix_timer(int id, TimerSetting& left) {
  SpinlockGuard guard(tasks_lock);
  const PosixTimer* timer = find(*current().process, id);
  if (timer == nullptr) return -EINVAL;
  left = left_of(*timer);
  return 0;
}

long posix_timer_is_realtime(int id) {
  SpinlockGuard guard(tasks_lock);
  const PosixTimer* timer = find(*current().process, id);
  return timer != nullptr ? timer->order.realtime : -EINVAL;
}

long posix_timer_overrun(int id) {
  SpinlockGuard guard(tasks_lock);
  const PosixTimer* timer = find(*current().process, id);
  return timer != nullptr ? static_cast<long>(timer->overrun) : -EINVAL;
}

namespace {

// Takes one out of the list; null: there is none. `id` -1: any.
PosixTimer* unlink(Process& process, int id) {
  SpinlockGuard guard(tasks_lock);
  for (PosixTimer** link = &process.posix_timers; *link != nullptr; link = &(*link)->next) {
    PosixTimer* timer = *link;
    if (id != -1 && timer->id != id) continue;
    *link = timer->next;
    return timer;
  }
  return nullptr;
}

// False: there is none.
bool end_one(Process& process, int id) {
  SpinlockGuard starting(setting_lock);
  PosixTimer* timer = unlink(process, id);
  if (timer == nullptr) return false;
  stop_timer(timer->timer);
  destroy(timer);
  return true;
}

}  // namespace

long delete_posix_timer(int id) { return id >= 0 && end_one(*current().process, id) ? 0 : -EINVAL; }

void delete_posix_timers(Process& process) {
  while (end_one(process, -1)) {
  }
}

void posix_timer_delivered(siginfo_t& info) {
  SpinlockGuard starting(setting_lock);
  PosixTimer* timer = nullptr;
  uint64_t next = kNever;
  {
    SpinlockGuard guard(tasks_lock);
    timer = find(*current().process, info.si_tid);
    if (timer == nullptr || !timer->signalled) return;
    timer->signalled = false;
    timer->overrun = min(catch_up(*timer), kMostOverrun);
    info.si_overrun = static_cast<int>(timer->overrun);
    if (!timer->waiting) next = timer->setting.expires;
  }
  if (next != kNever) start_timer(timer->timer, next);
}

}  // namespace mk
