// SPDX-License-Identifier: GPL-2.0-or-later
//
// A process: what the threads of a program have in common beside memory and files - its place among parents,
// children, groups and sessions, limits, signals for whichever thread takes them, and how it ended. Linux's
// signal_struct. It outlives its tasks until its parent has asked for the status (a zombie).
//
// tasks_lock guards all links between processes and tasks, the table of them, pending signals and handlers.
// It is a spinlock; under it nobody touches user memory or sleeps. Before it: timers' lists. After it: the
// scheduler's lock.
#pragma once

#include <asm/resource.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/spinlock.h"
#include "proc/signal.h"
#include "proc/timer.h"
#include "proc/wait_queue.h"

namespace mk {

struct PosixTimer;
struct Task;

extern Spinlock tasks_lock;

struct UserIds {
  uint32_t real = 0, effective = 0, saved = 0;
};

struct Limit {
  uint64_t soft;
  uint64_t hard;
};

// What wait4 and getrusage add up.
struct Usage {
  uint64_t run_ns = 0;
  uint64_t minor_faults = 0;
  uint64_t max_rss_pages = 0;

  void add(const Usage& other) {
    run_ns += other.run_ns;
    minor_faults += other.minor_faults;
    if (other.max_rss_pages > max_rss_pages) max_rss_pages = other.max_rss_pages;
  }
};

class Process;

// One of setitimer(2)'s. Those of processor time look again when the process may have run long enough.
struct IntervalTimer {
  Timer timer;
  Process* process = nullptr;
  int which = 0;
  uint64_t expires = kNever;  // by its own clock
  uint64_t interval_ns = 0;
};

class Process : public RefCounted {
 public:
  Process();

  int tgid = 0;
  int group = 0;  // process group
  int session = 0;
  Process* parent = nullptr;  // null: init, and what is no longer a child of anybody
  Process* first_child = nullptr;
  Process* next_sibling = nullptr;
  Process* next = nullptr;  // in the table, by tgid

  Task* threads = nullptr;
  unsigned thread_count = 0;      // not yet ended
  unsigned live_count = 0;        // of them, those that have not begun to end
  int parent_thread = 0;          // the thread that forked
  Task* traced_leader = nullptr;  // the first thread while it is traced, also when it has ended
  bool has_executed = false;      // since fork (setpgid's EACCES)
  bool is_subreaper = false;
  bool is_dumpable = true;
  bool no_huge_pages = false;
  bool has_terminal = false;  // a controlling one (proc/job_control.h)

  // How it ends: once group_exit is set all its threads end with exit_status.
  bool group_exit = false;
  Task* executor = nullptr;  // the thread that runs exec and waits for all others to end
  bool zombie = false;       // all threads have ended
  bool reaped = false;       // and nobody waits for its status any more: its number is free
  int exit_status = 0;
  int exit_signal = 0;  // what the parent gets then; 0: nothing, and it waits with __WCLONE only

  // Stopped by a signal (Linux's group stop), and what wait4 has not yet told of it.
  bool stopped = false;
  int stop_signal = 0;
  uint32_t continues = 0;  // SIGCONTs so far: one that comes after a stop signal was taken undoes it
  bool stop_untold = false;
  bool continue_untold = false;
  WaitQueue continued;

  PendingSignals pending;  // for any thread
  WaitQueue child_events;  // a child changed
  WaitQueue thread_ended;

  UserIds uids, gids;
  Limit limits[RLIM_NLIMITS];
  int oom_score_adj = 0;             // -1000 (never killed for lack of memory) to 1000
  char name[16] = {};                // of its last thread, for a zombie
  Spinlock interval_lock;            // of starting and stopping these; before timers' lists
  IntervalTimer interval_timers[3];  // ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF
  PosixTimer* posix_timers = nullptr;
  int next_posix_timer = 0;
  uint64_t start_ns = 0;
  Usage ended_threads;
  Usage ended_children;
};

// All with tasks_lock held.
Task* find_task(int pid);
Process* find_process(int tgid);
// The process with the lowest tgid above `after`; null: none.
Process* next_process(int after);
void add_process(Process& process);
void link_child(Process& parent, Process& child);
void add_thread(Process& process, Task& task);
void remove_thread(Task& task);
void remove_process(Process& process);
unsigned process_count();
unsigned task_count();
unsigned task_count_of(uint32_t uid);  // real
int last_used_pid();
uint64_t forks_so_far();  // tasks made since boot
// The next free pid; 0 when there are too many tasks.
int new_pid();

Usage usage_of(const Process& process);  // of all its threads, so far

}  // namespace mk
