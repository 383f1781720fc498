// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/process.h"

#include "arch/x86_64/clock.h"
#include "lib/assert.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr int kMaxPid =
    32768;  // Linux's pid_max; numbers above kReservedPids are used again when it is reached
constexpr int kReservedPids = 300;
constexpr unsigned kMaxProcesses = 8192;

Process* first_process;  // by tgid
unsigned processes;
unsigned tasks;
int last_pid;
uint64_t forks;

bool pid_in_use(int pid) {
  if (find_process(pid) != nullptr || find_task(pid) != nullptr) return true;
  for (Process* process = first_process; process != nullptr; process = process->next)
    if (process->group == pid || process->session == pid) return true;
  return false;
}

}  // namespace

Spinlock tasks_lock;

// Linux's INIT_RLIMITS (include/asm-generic/resource.h); descriptors up to what a FileTable holds.
Process::Process() {
  for (Limit& limit : limits) limit = {RLIM_INFINITY, RLIM_INFINITY};
  limits[RLIMIT_STACK] = {8ul << 20, RLIM_INFINITY};
  limits[RLIMIT_CORE] = {0, RLIM_INFINITY};
  limits[RLIMIT_NOFILE] = {FileTable::kMaxFiles, FileTable::kMaxFiles};
  limits[RLIMIT_MEMLOCK] = {8ul << 20, 8ul << 20};
  limits[RLIMIT_MSGQUEUE] = {819200, 819200};
  limits[RLIMIT_NICE] = {0, 0};
  limits[RLIMIT_RTPRIO] = {0, 0};
  start_ns = now_ns();
}

Task* find_task(int pid) {
  for (Process* process = first_process; process != nullptr; process = process->next)
    for (Task* task = process->threads; task != nullptr; task = task->next_thread)
      if (task->pid == pid) return task;
  return nullptr;
}

Process* find_process(int tgid) {
  Process* process = first_process;
  while (process != nullptr && process->tgid < tgid) process = process->next;
  return process != nullptr && process->tgid == tgid ? process : nullptr;
}

Process* next_process(int after) {
  Process* process = first_process;
  while (process != nullptr && process->tgid <= after) process = process->next;
  return process;
}

void add_process(Process& process) {
  Process** link = &first_process;
  while (*link != nullptr && (*link)->tgid < process.tgid) link = &(*link)->next;
  process.next = *link;
  *link = &process;
  process.get();
  ++processes;
}

void remove_process(Process& process) {
  Process** link = &first_process;
  while (*link != &process) link = &(*link)->next;
  *link = process.next;
  --processes;
}

void link_child(Process& parent, Process& child) {
  Process** link = &parent.first_child;
  while (*link != nullptr) link = &(*link)->next_sibling;
  *link = &child;
  child.parent = &parent;
  child.next_sibling = nullptr;
}

void add_thread(Process& process, Task& task) {
  Task** link = &process.threads;
  while (*link != nullptr) link = &(*link)->next_thread;
  *link = &task;
  ++process.thread_count;
  ++process.live_count;
  ++tasks;
  ++forks;
}

void remove_thread(Task& task) {
  Task** link = &task.process->threads;
  while (*link != &task) {
    KASSERT(*link != nullptr);
    link = &(*link)->next_thread;
  }
  *link = task.next_thread;
  --task.process->thread_count;
  --tasks;
}

unsigned process_count() { return processes; }
unsigned task_count() { return tasks; }
unsigned task_count_of(uint32_t uid) {
  unsigned count = 0;
  for (Process* process = first_process; process != nullptr; process = process->next)
    if (process->uids.real == uid) count += process->thread_count;
  return count;
}
int last_used_pid() { return last_pid; }
uint64_t forks_so_far() { return forks; }

int new_pid() {
  // Zombies, too, have a number each.
  if (tasks + 64 >= kMaxTasks || processes >= kMaxProcesses) return 0;
  for (int tries = 0; tries < kMaxPid; ++tries) {
    last_pid = last_pid + 1 < kMaxPid ? last_pid + 1 : kReservedPids;
    if (!pid_in_use(last_pid)) return last_pid;
  }
  return 0;
}

Usage usage_of(const Process& process) {
  Usage usage = process.ended_threads;
  for (Task* task = process.threads; task != nullptr; task = task->next_thread) {
    usage.add({.run_ns = task->run_time_ns(),
               .minor_faults = task->minor_faults,
               .max_rss_pages = task->mm ? task->mm->max_rss_pages() : 0});
  }
  return usage;
}

}  // namespace mk
