// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/exit.h"

#include <linux/wait.h>

#include "arch/x86_64/trace.h"
#include "fs/io_uring/ring.h"
#include "init.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/task.h"

namespace mk {
namespace {

int shell_status(int status) { return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff; }

siginfo_t child_info(const Process& child, int code, int status) {
  siginfo_t info = {};
  info.si_signo = SIGCHLD;
  info.si_code = code;
  info.si_pid = child.tgid;
  info.si_status = status;
  return info;
}

void unlink_child(Process& child) {
  if (child.parent == nullptr) return;
  Process** link = &child.parent->first_child;
  while (*link != &child) link = &(*link)->next_sibling;
  *link = child.next_sibling;
  child.parent = nullptr;
}

void link_child(Process& parent, Process& child) {
  Process** link = &parent.first_child;
  while (*link != nullptr) link = &(*link)->next_sibling;
  *link = &child;
  child.parent = &parent;
  child.next_sibling = nullptr;
}

// Tells the parent that `child` has become a zombie. True: the parent does not want to know, it is to be
// reaped at once.
bool notify_parent(Process& child) {
  Process* parent = child.parent;
  if (parent == nullptr) return true;
  bool nobody_waits = false;
  if (child.exit_signal == SIGCHLD && parent->threads != nullptr) {
    const SignalAction& action = parent->threads->handlers->action(SIGCHLD);
    nobody_waits = action.handler == 1 || (action.flags & SA_NOCLDWAIT);
  }
  if (child.exit_signal != 0) {
    int status = child.exit_status;
    siginfo_t info = status & 0x7f ? child_info(child, CLD_KILLED, status & 0x7f)
                                   : child_info(child, CLD_EXITED, status >> 8 & 0xff);
    info.si_signo = child.exit_signal;
    send_process_signal_locked(*parent, info);
  }
  parent->child_events.wake();
  return nobody_waits;
}

// Who takes care of a dying process's children: the nearest ancestor that said so, else init.
Process* new_parent(const Process& dying) {
  for (Process* at = dying.parent; at != nullptr; at = at->parent)
    if (at->is_subreaper && at->thread_count > 0) return at;
  return find_process(kInitPid);
}

// A process without a parent that wants to know is gone for good. The table's reference goes to the caller.
Process* reap(Process& process) {
  unlink_child(process);
  remove_process(process);
  return &process;
}

// Gives the children away; those that are zombies already and that nobody will ask about are chained into
// `gone`.
void give_children_away(Process& dying, Process*& gone) {
  Process* parent = new_parent(dying);
  while (Process* child = dying.first_child) {
    unlink_child(*child);
    if (parent != nullptr && parent != &dying) link_child(*parent, *child);
    child->exit_signal = SIGCHLD;
    if (child->zombie && (child->parent == nullptr || notify_parent(*child))) {
      reap(*child);
      child->next = gone;
      gone = child;
    }
  }
}

// The last thread has gone: the process is a zombie, or gone at once.
void end_process(Process& process, Process*& gone) {
  process.zombie = true;
  process.stopped = false;
  flush_signals_locked(process.pending);
  give_children_away(process, gone);
  trace(TraceType::kTaskExit, process.tgid, shell_status(process.exit_status));
  if (notify_parent(process)) {
    reap(process);
    process.next = gone;
    gone = &process;
  }
}

void drop_processes(Process* gone) {
  while (gone != nullptr) {
    Process* next = gone->next;
    Ref<Process>::adopt(gone).reset();
    gone = next;
  }
}

void stop_interval_timers(Process& process) {
  for (IntervalTimer& timer : process.interval_timers) stop_timer(timer.timer);
}

// The memory goes first: whoever hears of the end finds it free.
void exit_memory(Task& task) {
  exit_futexes(task);
  vfork_is_done(task);
  enter_lazy_tlb();
  Ref<AddressSpace> mm;
  {
    SpinlockGuard guard(tasks_lock);
    uint64_t rss = task.mm ? task.mm->max_rss_pages() : 0;
    task.process->ended_threads.add({.run_ns = 0, .minor_faults = 0, .max_rss_pages = rss});
    mm.swap(task.mm);
  }
  mm.reset();
  load_page_table(nullptr);
}

}  // namespace

void do_exit(int status) {
  Task& task = current();
  Process& process = *task.process;
  {
    SpinlockGuard guard(tasks_lock);
    // The status is the leader's, unless the whole process was told to end.
    if (!process.group_exit && task.pid == process.tgid) process.exit_status = status;
    --process.live_count;
  }
  io_uring_task_ends(task);
  if (__atomic_load_n(&process.live_count, __ATOMIC_ACQUIRE) == 0) stop_interval_timers(process);
  exit_memory(task);
  task.files.reset();
  task.fs.reset();
  Process* gone = nullptr;
  bool is_init = process.tgid == kInitPid;
  int process_status = 0;
  bool last = false;
  {
    SpinlockGuard guard(tasks_lock);
    flush_signals_locked(task.signals.pending);
    process.ended_threads.add(
        {.run_ns = task.run_time_ns(), .minor_faults = task.minor_faults, .max_rss_pages = 0});
    if (task.pid != process.tgid || process.thread_count > 1)
      trace(TraceType::kTaskExit, task.pid, shell_status(status));
    memcpy(process.name, task.name, sizeof(process.name));
    remove_thread(task);
    last = process.thread_count == 0;
    process_status = process.exit_status;
    if (last) end_process(process, gone);
    process.thread_ended.wake();
  }
  drop_processes(gone);
  task.handlers.reset();
  task.process.reset();
  if (is_init && last) init_has_ended(shell_status(process_status));
  if (!is_init && last) something_has_ended();
  schedule_dead();
}

void do_group_exit(int status) {
  Task& task = current();
  {
    SpinlockGuard guard(tasks_lock);
    Process& process = *task.process;
    if (!process.group_exit) {
      process.group_exit = true;
      process.exit_status = status;
      process.stopped = false;
      process.continued.wake();
      for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
        if (thread != &task) kick_task(*thread);
    }
    status = process.exit_status;
  }
  do_exit(status);
}

long end_other_threads() {
  Task& task = current();
  Process& process = *task.process;
  {
    SpinlockGuard guard(tasks_lock);
    if (process.group_exit || process.executor != nullptr) return -EINTR;
    process.executor = &task;
    for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
      if (thread != &task) kick_task(*thread);
  }
  sleep_until(
      process.thread_ended, [&] { return __atomic_load_n(&process.thread_count, __ATOMIC_ACQUIRE) == 1; },
      Sleep::kDeaf);
  SpinlockGuard guard(tasks_lock);
  process.executor = nullptr;
  task.pid = task.tgid;  // the leader's number is the process's
  return 0;
}

namespace {

bool eligible(const Process& child, const WaitFor& what) {
  if (what.who == WaitFor::Who::kPid && child.tgid != what.id) return false;
  if (what.who == WaitFor::Who::kGroup && child.group != what.id) return false;
  bool is_clone = child.exit_signal != SIGCHLD;
  if (what.options & __WALL) return true;
  return is_clone == ((what.options & __WCLONE) != 0);
}

// What the child has to tell, if the call wants to hear it; takes it unless WNOWAIT.
bool take_status(Process& child, const WaitFor& what, ChildStatus& found) {
  bool keep = what.options & WNOWAIT;
  found = {.pid = child.tgid, .status = 0, .code = 0, .usage = {}};
  if (child.zombie) {
    if (!(what.options & WEXITED)) return false;
    found.status = child.exit_status;
    found.code = found.status & 0x7f ? CLD_KILLED : CLD_EXITED;
    found.usage = child.ended_threads;
    found.usage.add(child.ended_children);
    return true;
  }
  if (child.stop_untold && (what.options & WSTOPPED)) {
    found.status = child.stop_signal << 8 | 0x7f;
    found.code = CLD_STOPPED;
    if (!keep) child.stop_untold = false;
    return true;
  }
  if (child.continue_untold && (what.options & WCONTINUED)) {
    found.status = 0xffff;
    found.code = CLD_CONTINUED;
    if (!keep) child.continue_untold = false;
    return true;
  }
  return false;
}

// 1: found. 0: nobody has anything to tell yet. -ECHILD.
long look_at_children(Process& parent, const WaitFor& what, ChildStatus& found, Process*& gone) {
  SpinlockGuard guard(tasks_lock);
  bool any = false;
  for (Process* child = parent.first_child; child != nullptr; child = child->next_sibling) {
    if (!eligible(*child, what)) continue;
    any = true;
    if (!take_status(*child, what, found)) continue;
    if (child->zombie && !(what.options & WNOWAIT)) {
      parent.ended_children.add(found.usage);
      gone = reap(*child);
      gone->next = nullptr;
    }
    return 1;
  }
  return any ? 0 : -ECHILD;
}

}  // namespace

long wait_for_child(const WaitFor& what, ChildStatus& found) {
  Process& parent = *current().process;
  Process* gone = nullptr;
  long result = 0;
  auto look = [&] { return (result = look_at_children(parent, what, found, gone)) != 0; };
  long slept = 0;
  if (what.options & WNOHANG) {
    look();
  } else {
    slept = sleep_until(parent.child_events, look);
  }
  drop_processes(gone);
  if (result < 0) return result;
  if (slept < 0) return slept;
  if (result == 0) found = {};
  return 0;
}

}  // namespace mk
