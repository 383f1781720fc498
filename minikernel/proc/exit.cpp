// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/exit.h"

#include <linux/ptrace.h>
#include <linux/wait.h>

#include "arch/x86_64/trace.h"
#include "fs/io_uring/ring.h"
#include "init.h"
#include "lib/assert.h"
#include "lib/log.h"
#include "lib/string.h"
#include "proc/fork.h"
#include "proc/futex.h"
#include "proc/job_control.h"
#include "proc/posix_timer.h"
#include "proc/task.h"

namespace mk {
namespace {

int shell_status(int status) { return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff; }

int end_code(int status) { return status & 0x7f ? CLD_KILLED : CLD_EXITED; }
int end_value(int status) { return status & 0x7f ? status & 0x7f : status >> 8 & 0xff; }

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

// Tells the parent that `child` has become a zombie, or before that its tracer. True: the parent does not
// want to know, it is to be reaped at once.
bool notify_parent(Process& child) {
  if (child.traced_leader != nullptr) {
    tell_tracer_locked(*child.traced_leader, end_code(child.exit_status), end_value(child.exit_status));
    return false;
  }
  Process* parent = child.parent;
  if (parent == nullptr) return true;
  bool nobody_waits = false;
  if (child.exit_signal == SIGCHLD && parent->threads != nullptr) {
    const SignalAction& action = parent->threads->handlers->action(SIGCHLD);
    nobody_waits = action.handler == 1 || (action.flags & SA_NOCLDWAIT);
  }
  if (child.exit_signal >= 1 && child.exit_signal <= kSignals) {
    siginfo_t info = child_info(child, end_code(child.exit_status), end_value(child.exit_status));
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
  Process* init = find_process(kInitPid);
  return init != nullptr && init->thread_count > 0 ? init : nullptr;
}

// A process without a parent that wants to know is gone for good. The table's reference goes to the caller.
Process* reap(Process& process) {
  unlink_child(process);
  remove_process(process);
  process.reaped = true;
  process.thread_ended.wake();
  return &process;
}

// A process has been waited for, or nobody is going to wait: adds it to `gone`.
void reap_into(Process*& gone, Process& process) {
  reap(process);
  process.next = gone;
  gone = &process;
}

// Gives the children away; those that are zombies already and that nobody will ask about are chained into
// `gone`.
void give_children_away(Process& dying, Process*& gone) {
  Process* parent = new_parent(dying);
  while (Process* child = dying.first_child) {
    unlink_child(*child);
    if (parent != nullptr && parent != &dying) link_child(*parent, *child);
    child->parent_thread = parent != nullptr ? parent->tgid : 0;
    child->exit_signal = SIGCHLD;
    if (child->zombie && child->traced_leader == nullptr && notify_parent(*child)) reap_into(gone, *child);
  }
}

// PR_SET_PDEATHSIG: a parent is the thread that forked. Another one takes its place.
void tell_children_of_death(const Task& dying) {
  const Process& process = *dying.process;
  const Task* next = process.threads;
  while (next != nullptr && next == &dying) next = next->next_thread;
  for (Process* child = process.first_child; child != nullptr; child = child->next_sibling) {
    if (child->parent_thread != dying.pid) continue;
    child->parent_thread = next != nullptr ? next->pid : 0;
    for (Task* thread = child->threads; thread != nullptr; thread = thread->next_thread) {
      if (thread->parent_death_signal == 0) continue;
      siginfo_t info = {};
      info.si_signo = thread->parent_death_signal;
      info.si_code = SI_USER;
      info.si_pid = process.tgid;
      send_process_signal_locked(*child, info);
    }
  }
}

// The last thread has gone: the process is a zombie, or gone at once.
void end_process(Process& process, Process*& gone) {
  process.zombie = true;
  process.stopped = false;
  flush_signals_locked(process.pending);
  if (process.tgid != kInitPid) leave_jobs_locked(process);
  give_children_away(process, gone);
  trace(TraceType::kTaskExit, process.tgid, shell_status(process.exit_status));
  if (notify_parent(process)) reap_into(gone, process);
}

// The running task traces nobody any more (Linux's exit_ptrace).
void let_tracees_go(Task& tracer, Process*& gone) {
  while (Task* tracee = tracer.trace.first_tracee) {
    if ((tracee->trace.options & PTRACE_O_EXITKILL) && !tracee->trace.ended) {
      siginfo_t info = {};
      info.si_signo = SIGKILL;
      info.si_code = SI_KERNEL;
      send_signal_locked(*tracee, info);
    }
    Process* process = find_process(tracee->tgid);
    bool was_leader = process != nullptr && process->traced_leader == tracee;
    trace_unlink_locked(*tracee);
    // A zombie that nobody but the tracer has heard of yet.
    if (was_leader && process->zombie && notify_parent(*process)) reap_into(gone, *process);
  }
}

// A tracee ends: its tracer hears of a thread at once, of a leader with its process.
void end_as_tracee(Task& task, const Process& process, int status) {
  if (task.trace.tracer == nullptr) return;
  task.trace.ended = true;
  task.trace.end_status = process.group_exit ? process.exit_status : status;
  task.trace.end_group = process.group;
  if (process.traced_leader != &task)
    tell_tracer_locked(task, end_code(task.trace.end_status), end_value(task.trace.end_status));
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
  delete_posix_timers(process);
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
  task.exiting = true;
  Process& process = *task.process;
  trace_event(task, PTRACE_EVENT_EXIT, static_cast<uint64_t>(status));
  {
    SpinlockGuard guard(tasks_lock);
    // The status is the leader's, unless the whole process was told to end.
    if (!process.group_exit && task.pid == process.tgid) process.exit_status = status;
    --process.live_count;
  }
  io_uring_task_ends(task);
  if (__atomic_load_n(&process.live_count, __ATOMIC_ACQUIRE) == 0) stop_interval_timers(process);
  exit_memory(task);
  take_files(task, nullptr);
  take_place(task, nullptr);
  close_dropped_files();
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
    let_tracees_go(task, gone);
    end_as_tracee(task, process, status);
    tell_children_of_death(task);
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

namespace {

// All other threads of the process have to end.
void kick_others(Task& task) {
  for (Task* thread = task.process->threads; thread != nullptr; thread = thread->next_thread) {
    if (thread == &task) continue;
    cancel_trace_stop_locked(*thread);
    kick_task(*thread);
  }
}

}  // namespace

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
      kick_others(task);
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
    kick_others(task);
  }
  sleep_until(
      process.thread_ended, [&] { return __atomic_load_n(&process.thread_count, __ATOMIC_ACQUIRE) == 1; },
      Sleep::kDeaf);
  SpinlockGuard guard(tasks_lock);
  process.executor = nullptr;
  if (task.pid == task.tgid) return 0;
  // The leader's number is the process's. Nobody hears of the old leader's end.
  if (process.traced_leader != nullptr) trace_unlink_locked(*process.traced_leader);
  for (Process* child = process.first_child; child != nullptr; child = child->next_sibling)
    if (child->parent_thread == task.pid) child->parent_thread = task.tgid;
  task.pid = task.tgid;
  if (task.trace.tracer != nullptr) process.traced_leader = &task;
  return 0;
}

namespace {

// Whom a wait call looks at: a child, a traced thread, or what is both.
struct Candidate {
  int pid;
  int group;
  const Process* process;
  bool is_clone;  // its parent gets another signal than SIGCHLD when it ends
  bool traced;    // by the caller
};

bool eligible(const Candidate& one, const WaitFor& what) {
  if (what.who == WaitFor::Who::kPid && one.pid != what.id) return false;
  if (what.who == WaitFor::Who::kGroup && one.group != what.id) return false;
  if (what.who == WaitFor::Who::kProcess && one.process != what.process) return false;
  if (one.traced || (what.options & __WALL)) return true;
  return one.is_clone == ((what.options & __WCLONE) != 0);
}

void fill_end(ChildStatus& found, int status) {
  found.status = status;
  found.code = end_code(status);
}

// A tracee's stop is told whatever the options say (Linux's wait_task_stopped).
bool tell_trace_stop(Task& tracee, bool keep, ChildStatus& found) {
  TraceState& trace = tracee.trace;
  if (!trace.stopped || trace.listening || trace.untold == 0) return false;
  found.status = trace.untold << 8 | 0x7f;
  found.code = CLD_TRAPPED;
  if (!keep) trace.untold = 0;
  return true;
}

// What the child has to tell, if the call wants to hear it; takes it unless WNOWAIT. `tracee`: its leader,
// when the caller traces that.
bool take_status(Process& child, Task* tracee, const WaitFor& what, ChildStatus& found) {
  bool keep = what.options & WNOWAIT;
  found = {.pid = child.tgid, .status = 0, .code = 0, .usage = {}};
  if (child.zombie) {
    if (!(what.options & WEXITED)) return false;
    fill_end(found, child.exit_status);
    found.usage = child.ended_threads;
    found.usage.add(child.ended_children);
    return true;
  }
  if (tracee != nullptr) {
    if (tell_trace_stop(*tracee, keep, found)) return true;
  } else if (child.stop_untold && (what.options & WSTOPPED)) {
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

// The state of one search.
struct Search {
  Process& caller;
  const WaitFor& what;
  ChildStatus& found;
  Process*& gone;
  bool any = false;  // there is somebody to wait for

  bool traces(const Task* leader) const {
    return leader != nullptr && leader->trace.tracer->process.raw() == &caller;
  }

  bool look_at_child(Process& child) {
    Task* leader = child.traced_leader;
    bool traced = traces(leader);
    if (!eligible({child.tgid, child.group, &child, child.exit_signal != SIGCHLD, traced}, what))
      return false;
    any = true;
    if (leader != nullptr && !traced && child.zombie) return false;  // its tracer hears of it first
    if (!take_status(child, traced ? leader : nullptr, what, found)) return false;
    if (child.zombie && !(what.options & WNOWAIT)) {
      caller.ended_children.add(found.usage);
      if (traced) trace_unlink_locked(*leader);
      reap_into(gone, child);
    }
    return true;
  }

  // A traced process that is no child: its parent hears of its end when the tracer has.
  bool look_at_traced_process(Process& process, Task& leader) {
    if (!eligible({process.tgid, process.group, &process, false, true}, what)) return false;
    any = true;
    if (!take_status(process, &leader, what, found)) return false;
    if (process.zombie && !(what.options & WNOWAIT)) {
      trace_unlink_locked(leader);
      if (notify_parent(process)) reap_into(gone, process);
    }
    return true;
  }

  bool look_at_traced_thread(Task& tracee) {
    bool ended = tracee.trace.ended;
    const Process* process = ended ? nullptr : tracee.process.raw();
    int group = ended ? tracee.trace.end_group : process->group;
    if (!eligible({tracee.pid, group, nullptr, true, true}, what)) return false;
    any = true;
    found = {.pid = tracee.pid, .status = 0, .code = 0, .usage = {}};
    if (!ended) return tell_trace_stop(tracee, what.options & WNOWAIT, found);
    if (!(what.options & WEXITED)) return false;
    fill_end(found, tracee.trace.end_status);
    if (!(what.options & WNOWAIT)) trace_unlink_locked(tracee);
    return true;
  }

  bool look_at_tracees_of(const Task& tracer) {
    for (Task* tracee = tracer.trace.first_tracee; tracee != nullptr; tracee = tracee->trace.next_tracee) {
      Process* process = find_process(tracee->tgid);
      bool is_leader = process != nullptr && process->traced_leader == tracee;
      if (is_leader && process->parent == &caller) continue;  // among the children
      if (is_leader ? look_at_traced_process(*process, *tracee) : look_at_traced_thread(*tracee)) return true;
    }
    return false;
  }

  bool look_at_all() {
    for (Process* child = caller.first_child; child != nullptr; child = child->next_sibling)
      if (look_at_child(*child)) return true;
    for (Task* thread = caller.threads; thread != nullptr; thread = thread->next_thread)
      if (look_at_tracees_of(*thread)) return true;
    return false;
  }
};

}  // namespace

long wait_for_child(const WaitFor& what, ChildStatus& found) {
  Process& caller = *current().process;
  Process* gone = nullptr;
  long result = 0;  // 1: found; 0: nobody has anything to tell yet; -ECHILD
  auto look = [&] {
    SpinlockGuard guard(tasks_lock);
    Search search{caller, what, found, gone};
    result = search.look_at_all() ? 1 : search.any ? 0 : -ECHILD;
    return result != 0;
  };
  long slept = 0;
  if (what.options & WNOHANG) {
    look();
  } else {
    slept = sleep_until(caller.child_events, look);
  }
  drop_processes(gone);
  if (result < 0) return result;
  if (slept < 0) return slept;
  if (result == 0) found = {};
  return 0;
}

}  // namespace mk
