// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which task runs where. One queue of runnable tasks for all CPUs, first come, first served, under one lock
// that is held across the switch. A task keeps its CPU for kSliceNs while others wait; it is taken away when
// the task is about to return to user code. The kernel itself is not preempted and runs with interrupts off,
// except where a CPU idles.
#pragma once

#include <stdint.h>

#include "proc/timer.h"

namespace mk {

struct Task;

inline constexpr uint64_t kSliceNs = 2'000'000;

// What Linux's system calls return inside the kernel when a signal interrupted them (include/linux/errno.h);
// on the way out they become a repetition of the call or EINTR (proc/signal.cpp).
inline constexpr long kRestartSys = 512;        // repeat unless the handler has no SA_RESTART
inline constexpr long kRestartNoIntr = 513;     // repeat, whatever runs before
inline constexpr long kRestartNoHandler = 514;  // repeat only when no handler runs
inline constexpr long kRestartBlock = 516;  // repeat with what Task::restart says, only when no handler runs

enum class RunState : uint8_t {
  kRunning,  // or runnable
  kSleeping,
  kDead,
};

// Puts a new task into the queue.
void make_runnable(Task& task);
// A sleeping task runs on; a running one stays awake if it was about to sleep.
void wake_task(Task& task);
// The task looks at its signals soon: wakes it when it sleeps (and `kinds` allows), interrupts it when it
// runs user code.
void kick_task(Task& task);

// Where a task may run (bit n: CPU n); it leaves a CPU that it may no longer use. And which CPUs run tasks at
// all.
void set_affinity(Task& task, uint64_t cpus);
uint64_t running_cpus();

// The running task sleeps at the next schedule(), unless it is woken before; see wait_queue.h.
void going_to_sleep();
void not_going_to_sleep();
// Gives the CPU to the next task; returns when this one has it again.
void schedule();
// The same, when another task has waited long enough. Before user code runs.
void schedule_if_needed();
void yield();
// The running task ends: never comes back. Its Task is given back by the next one.
[[noreturn]] void schedule_dead();

// The timer interrupt and the scheduler's IPI.
void end_slice_if_over();
void reschedule_interrupt();

// For boot: what each CPU runs when there is nothing to run; the other CPUs are told that they may begin.
void make_idle_tasks();
[[noreturn]] void idle();

// Whether no task runs or waits for a CPU.
bool nothing_runs();
// Between pages of long work, without a spinlock: lets interrupts in and gives the CPU away when it is due.
void let_others_run();

// Whether every other CPU idles and has given back what its last task left.
bool others_are_idle();

}  // namespace mk
