// SPDX-License-Identifier: GPL-2.0-or-later
//
// For one process with one thread: it is whoever asks.
#include "fs/proc/process_info.h"

#include "arch/x86_64/clock.h"
#include "lib/string.h"

namespace mk {
namespace {

int oom_score_adj;

}  // namespace

bool process_info(int pid, int tid, ProcessInfo& info) {
  Task& task = current();
  if (pid != task.tgid || (tid != 0 && tid != task.pid)) return false;
  info.pid = task.tgid;
  info.tid = task.pid;
  info.group = info.session = task.tgid;
  memcpy(info.name, task.name, sizeof(info.name));
  info.mm = task.mm;
  info.files = task.files;
  info.fs = task.fs;
  info.start_ns = task.start_ns;
  info.user_ns = now_ns() - task.start_ns;
  info.oom_score_adj = oom_score_adj;
  info.minor_faults = task.minor_faults;
  info.pending = task.signals.pending;
  info.blocked = task.signals.blocked;
  for (int i = 0; i < RLIM_NLIMITS; ++i) info.limits[i] = task.limits[i];
  return true;
}

int next_pid(int after) { return after < current().tgid ? current().tgid : 0; }

int next_tid(int pid, int after) {
  Task& task = current();
  return pid == task.tgid && after < task.pid ? task.pid : 0;
}

void system_info(SystemInfo& info) { info.user_ns = now_ns(); }

bool set_process_name(int pid, int tid, const char* name) {
  Task& task = current();
  if (pid != task.tgid || (tid != 0 && tid != task.pid)) return false;
  memset(task.name, 0, sizeof(task.name));
  memcpy(task.name, name, strnlen(name, sizeof(task.name) - 1));
  return true;
}

bool set_oom_score_adj(int pid, int value) {
  if (pid != current().tgid) return false;
  oom_score_adj = value;
  return true;
}

}  // namespace mk
