// SPDX-License-Identifier: GPL-2.0-or-later
//
// Timers of a process that send it signals: timer_create(2), Linux kernel/time/posix-timers.c. A timer has
// one signal pending at most; a periodic one goes on when that has been delivered, which then says how many
// expiries it stands for. The clocks are those of real time.
#pragma once

#include <stdint.h>

#include "proc/signal.h"

namespace mk {

class Process;
struct PosixTimer;

struct TimerOrder {
  int signal = 0;  // 0: none is sent
  int tid = 0;     // the thread that gets it; 0: the process
  uint64_t value = 0;
  bool value_is_id = false;
  bool realtime = false;
};
struct TimerSetting {
  uint64_t expires = ~0ul;  // by now_ns(); never: disarmed
  uint64_t interval_ns = 0;
};

// Of the running task's process; all but the first give -EINVAL for an id that there is not.
long create_posix_timer(const TimerOrder& order);  // the id; -EAGAIN, -EINVAL for a thread of another process
// `left`: what was left, and the interval.
long set_posix_timer(int id, const TimerSetting& setting, TimerSetting& left);
long get_posix_timer(int id, TimerSetting& left);
long posix_timer_is_realtime(int id);  // 0 or 1
long posix_timer_overrun(int id);
long delete_posix_timer(int id);
void delete_posix_timers(Process& process);  // exec, exit

// A timer's signal is being delivered to the running task: fills in how many expiries it stands for, and the
// timer goes on.
void posix_timer_delivered(siginfo_t& info);

}  // namespace mk
