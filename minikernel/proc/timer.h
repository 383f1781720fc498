// SPDX-License-Identifier: GPL-2.0-or-later
//
// Things that happen at a time: each CPU has a list of its own and sets its local APIC's timer for the first
// of them, or for the end of the running task's slice when another task waits for the CPU.
#pragma once

#include <stdint.h>

namespace mk {

inline constexpr uint64_t kNever = ~0ul;

// Owned by whoever starts it. `function` runs on the CPU that started it, from the timer interrupt, under the
// list's lock: it may wake tasks and send signals, and gives the next time, or kNever.
struct Timer {
  uint64_t (*function)(Timer& timer) = nullptr;
  uint64_t expires = kNever;  // now_ns()
  bool queued = false;
  unsigned cpu = 0;
  Timer* next = nullptr;
  Timer* previous = nullptr;
};

void start_timer(Timer& timer, uint64_t expires);
// Once it returns, the timer does not run, and its function neither.
void stop_timer(Timer& timer);

// Sets the APIC's timer of this CPU for what comes first.
void program_timer();
// The timer interrupt.
void run_timers();
bool any_timer_before(uint64_t time);  // on any CPU

}  // namespace mk
