// SPDX-License-Identifier: GPL-2.0-or-later
//
// What /proc knows about processes: the one door between fs/proc and the tasks. A snapshot is taken under
// whatever locks the task list has and handed out by value; what it refers to stays alive by references.
#pragma once

#include <asm/resource.h>
#include <stdint.h>

#include "proc/task.h"

namespace mk {

struct ProcessInfo {
  int pid = 0;     // of the process: what getpid() says
  int tid = 0;     // of the thread, when one was asked for; else that of the first one
  int parent = 0;  // the parent's pid
  int group = 0, session = 0;
  int tracer = 0;
  unsigned threads = 1;
  unsigned cpu = 0;  // where it runs or last ran
  char state = 'R';  // R, S, D, T, t, Z
  char name[Task::kNameSize] = {};
  int exit_signal = 17;  // SIGCHLD
  int oom_score_adj = 0;
  int nice = 0, policy = 0;
  bool has_terminal = false;
  int foreground_group = 0;  // of its terminal
  bool no_new_privileges = false;

  // Empty for a zombie.
  Ref<AddressSpace> mm;
  Ref<FileTable> files;
  Ref<FileSystemContext> fs;

  uint64_t start_ns = 0;                // since boot
  uint64_t user_ns = 0, system_ns = 0;  // of the process, or of the thread
  uint64_t children_user_ns = 0, children_system_ns = 0;
  uint64_t minor_faults = 0, major_faults = 0;
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  uint64_t queued_signals = 0;
  uint64_t pending = 0, shared_pending = 0, blocked = 0, ignored = 0, caught = 0;  // bit n - 1: signal n
  uint64_t allowed_cpus = 1;
  Limit limits[RLIM_NLIMITS] = {};
};

// Fills `info` for thread `tid` of process `pid`; with `tid` 0 for the process as a whole. False: there is no
// such one.
bool process_info(int pid, int tid, ProcessInfo& info);
// The lowest pid above `after`; the lowest thread id above `after` in a process. 0: none.
int next_pid(int after);
int next_tid(int pid, int after);

// Of the whole machine.
struct SystemInfo {
  unsigned cpus = 1;  // that run programs
  unsigned runnable = 1;
  unsigned tasks = 1;
  int last_pid = 1;
  uint64_t forks = 1, context_switches = 0, interrupts = 0;
  uint64_t user_ns = 0, system_ns = 0, idle_ns = 0;
};
void system_info(SystemInfo& info);

// PR_SET_NAME by way of /proc/PID/comm. False: no such thread.
bool set_process_name(int pid, int tid, const char* name);
// -1000 to 1000. False: no such process.
bool set_oom_score_adj(int pid, int value);

}  // namespace mk
