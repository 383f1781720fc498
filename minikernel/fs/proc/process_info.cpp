// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/proc/process_info.h"

#include "arch/x86_64/clock.h"
#include "lib/string.h"
#include "proc/exit.h"

namespace mk {
namespace {

char state_of(const Process& process, const Task* task) {
  if (process.zombie || task == nullptr) return 'Z';
  if (task->trace.stopped) return 't';
  if (process.stopped && !is_traced_anyhow(task->trace)) return 'T';
  if (task->state == RunState::kRunning) return 'R';
  return task->ends_for_signal ? 'S' : 'D';
}

// With tasks_lock held; null: none.
Task* thread_of(const Process& process, int tid) {
  Task* task = process.threads;
  while (task != nullptr && tid != 0 && task->pid != tid) task = task->next_thread;
  return task;
}

uint64_t handled_by(const Task& task, bool ignored) {
  uint64_t set = 0;
  for (int number = 1; number <= kSignals; ++number) {
    uint64_t handler = task.handlers->action(number).handler;
    if (ignored ? handler == 1 : handler > 1) set |= signal_bit(number);
  }
  return set;
}

void fill_from_task(ProcessInfo& info, const Process& process, const Task& task) {
  info.tid = task.pid;
  info.cpu = task.cpu;
  info.tracer = task.trace.tracer != nullptr ? task.trace.tracer->pid : 0;
  memcpy(info.name, task.name, sizeof(info.name));
  info.mm = task.mm;
  info.files = task.files;
  info.fs = task.fs;
  info.pending = task.signals.pending.set;
  info.shared_pending = process.pending.set;
  info.blocked = task.signals.blocked;
  info.ignored = handled_by(task, true);
  info.caught = handled_by(task, false);
  info.allowed_cpus = task.affinity & (cpu_count() == 64 ? ~0ul : (1ul << cpu_count()) - 1);
}

}  // namespace

bool process_info(int pid, int tid, ProcessInfo& info) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = find_process(pid);
  if (process == nullptr) return false;
  const Task* task = thread_of(*process, tid);
  if (tid != 0 && task == nullptr) return false;
  info.pid = info.tid = process->tgid;
  info.parent = process->parent != nullptr ? process->parent->tgid : 0;
  info.group = process->group;
  info.session = process->session;
  info.threads = process->thread_count;
  info.state = state_of(*process, task);
  info.exit_signal = process->exit_signal;
  info.oom_score_adj = process->oom_score_adj;
  memcpy(info.name, process->name, sizeof(info.name));
  if (task != nullptr) fill_from_task(info, *process, *task);
  info.start_ns = tid != 0 ? task->start_ns : process->start_ns;
  Usage usage = usage_of(*process);
  info.user_ns = tid != 0 ? task->run_time_ns() : usage.run_ns;
  info.minor_faults = tid != 0 ? task->minor_faults : usage.minor_faults;
  info.children_user_ns = process->ended_children.run_ns;
  for (int i = 0; i < RLIM_NLIMITS; ++i) info.limits[i] = process->limits[i];
  return true;
}

int next_pid(int after) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = next_process(after);
  return process != nullptr ? process->tgid : 0;
}

int next_tid(int pid, int after) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = find_process(pid);
  if (process == nullptr) return 0;
  int lowest = 0;
  for (const Task* task = process->threads; task != nullptr; task = task->next_thread)
    if (task->pid > after && (lowest == 0 || task->pid < lowest)) lowest = task->pid;
  return lowest;
}

void system_info(SystemInfo& info) {
  SpinlockGuard guard(tasks_lock);
  info.cpus = cpu_count();
  info.tasks = task_count();
  info.runnable = 0;
  info.last_pid = last_used_pid();
  info.forks = forks_so_far();
  for (const Process* process = next_process(0); process != nullptr; process = process->next) {
    info.user_ns += usage_of(*process).run_ns;
    for (const Task* task = process->threads; task != nullptr; task = task->next_thread)
      info.runnable += task->state == RunState::kRunning;
  }
}

bool set_process_name(int pid, int tid, const char* name) {
  SpinlockGuard guard(tasks_lock);
  const Process* process = find_process(pid);
  Task* task = process != nullptr ? thread_of(*process, tid) : nullptr;
  if (task == nullptr) return false;
  memset(task->name, 0, sizeof(task->name));
  memcpy(task->name, name, strnlen(name, sizeof(task->name) - 1));
  return true;
}

bool set_oom_score_adj(int pid, int value) {
  SpinlockGuard guard(tasks_lock);
  Process* process = find_process(pid);
  if (process == nullptr) return false;
  process->oom_score_adj = value;
  return true;
}

}  // namespace mk
