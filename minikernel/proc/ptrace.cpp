// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/ptrace.h"

#include <linux/ptrace.h>
#include <linux/sched.h>

#include "lib/assert.h"
#include "lib/string.h"
#include "proc/process.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr int kDidNotStop = -1;

// A SIGKILL is there that no stop may hold up. A task that ends for another reason may still stop to say so.
bool killed(const Task& task, bool ending) {
  if (!ending) return kill_pending(task);
  SignalSet pending = task.signals.pending.set | task.process->pending.set;
  return (pending & signal_bit(SIGKILL)) != 0;
}

siginfo_t info_of_stop(const Task& task, int signal, int code) {
  siginfo_t info = {};
  info.si_signo = signal;
  info.si_code = code;
  info.si_pid = task.pid;
  return info;
}

// Linux's ptrace_stop(): the signal to go on with, or kDidNotStop.
int stop(Task& task, int code, int why, uint64_t message, siginfo_t* info, bool ending = false) {
  TraceState& trace = task.trace;
  {
    SpinlockGuard guard(tasks_lock);
    if (trace.tracer == nullptr || killed(task, ending)) return kDidNotStop;
    __atomic_store_n(&trace.stopped, true, __ATOMIC_RELEASE);
    trace.listening = trace.released = trace.trap_wanted = false;
    trace.untold = code;
    trace.message = message;
    trace.info = info;
    trace.signal = 0;
    tell_tracer_locked(task, why, code & 0x7f);
  }
  // SIGKILL ends it by cancel_trace_stop_locked().
  sleep_until(
      trace.resumed, [&] { return !__atomic_load_n(&trace.stopped, __ATOMIC_ACQUIRE); }, Sleep::kDeaf);
  SpinlockGuard guard(tasks_lock);
  trace.info = nullptr;
  return trace.signal;
}

// Linux's ptrace_notify(): a stop that is no signal's.
int notify(Task& task, int code, uint64_t message, bool ending = false) {
  siginfo_t info = info_of_stop(task, SIGTRAP, code);
  return stop(task, code, CLD_TRAPPED, message, &info, ending);
}

void send_to_itself(Task& task, int number) {
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = SI_KERNEL;
  send_signal(task, info);
}

// Whoever traces with PTRACE_O_TRACESYSGOOD can tell these stops from others.
void stop_at_syscall(Task& task, uint64_t which) {
  int good = task.trace.options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0;
  int signal = notify(task, SIGTRAP | good, which);
  if (signal > 0) send_to_itself(task, signal);
}

}  // namespace

Ref<AddressSpace> memory_of_task(int pid) {
  SpinlockGuard guard(tasks_lock);
  Task* task = find_task(pid);
  return task != nullptr ? task->mm : Ref<AddressSpace>();
}

bool trace_stop_due(const Task& task) {
  const TraceState& trace = task.trace;
  if (!is_traced_anyhow(trace)) return false;
  if (__atomic_load_n(&trace.trap_wanted, __ATOMIC_SEQ_CST) ||
      __atomic_load_n(&trace.notice_wanted, __ATOMIC_SEQ_CST))
    return true;
  return __atomic_load_n(&task.process->stopped, __ATOMIC_SEQ_CST) && !trace.group_stop_told;
}

// Linux's do_jobctl_trap().
void take_trace_stop(Task& task) {
  TraceState& trace = task.trace;
  int signal = SIGTRAP;
  bool seized = false;
  {
    SpinlockGuard guard(tasks_lock);
    trace.trap_wanted = trace.notice_wanted = false;
    seized = trace.seized;
    if (task.process->stopped) {
      signal = task.process->stop_signal;
      trace.group_stop_told = true;
    } else if (!seized) {
      return;
    }
  }
  int code = seized ? signal | PTRACE_EVENT_STOP << 8 : signal;
  siginfo_t info = info_of_stop(task, signal, code);
  stop(task, code, CLD_STOPPED, 0, seized ? &info : nullptr);
}

int trace_signal(Task& task, siginfo_t& info) {
  int number = info.si_signo;
  int wanted = stop(task, number, CLD_TRAPPED, 0, &info);
  if (wanted == kDidNotStop) return number;
  if (wanted == 0) return 0;
  SpinlockGuard guard(tasks_lock);
  if (wanted != info.si_signo) {
    memset(&info, 0, sizeof(info));
    info.si_signo = wanted;
    info.si_code = SI_USER;
    info.si_pid = task.trace.tracer != nullptr ? task.trace.tracer->tgid : 0;
  }
  if (!(task.signals.blocked & signal_bit(wanted))) return wanted;
  send_signal_locked(task, info);
  return 0;
}

bool trace_syscall_entry(Task& task, TrapFrame& frame) {
  frame.rax = static_cast<uint64_t>(-ENOSYS);  // what the call gives if the tracer takes it away
  stop_at_syscall(task, PTRACE_EVENTMSG_SYSCALL_ENTRY);
  return frame.vector == kSyscallVector && !kill_pending(task);
}

void trace_syscall_exit(Task& task, TrapFrame& frame) {
  if (task.trace.syscalls) stop_at_syscall(task, PTRACE_EVENTMSG_SYSCALL_EXIT);
  // SYSCALL itself was the instruction that was to be stepped over.
  if (task.trace.step && is_traced_anyhow(task.trace)) {
    task.signals.cause = "single step";
    force_signal(task, SIGTRAP, TRAP_BRKPT, frame.rip);
  }
}

bool trace_event(Task& task, int event, uint64_t message) {
  {
    SpinlockGuard guard(tasks_lock);
    if (task.trace.tracer == nullptr || !(task.trace.options & 1ul << event)) return false;
  }
  notify(task, event << 8 | SIGTRAP, message, event == PTRACE_EVENT_EXIT);
  return true;
}

// Without the option, an attached tracee gets a SIGTRAP (ptrace(2), "execve(2) under ptrace").
void trace_exec(Task& task, int old_pid) {
  if (!is_traced_anyhow(task.trace) || trace_event(task, PTRACE_EVENT_EXEC, static_cast<uint64_t>(old_pid)))
    return;
  if (task.trace.seized) return;
  siginfo_t info = info_of_stop(task, SIGTRAP, SI_USER);
  send_signal(task, info);
}

bool trace_leave_step(Task& task, TrapFrame& frame) {
  if (!task.trace.step) return false;
  if (task.trace.forced_trap_flag) frame.rflags &= ~kFlagTrap;
  task.trace.step = task.trace.forced_trap_flag = false;
  return true;
}

void trace_handler_entered(Task& task, bool stepping) {
  if (stepping) notify(task, SIGTRAP, 0);
}

int trace_event_of_clone_locked(const Task& parent, uint64_t flags, int exit_signal) {
  if (parent.trace.tracer == nullptr || (flags & CLONE_UNTRACED)) return 0;
  int event = flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
              : exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE
                                       : PTRACE_EVENT_FORK;
  return parent.trace.options & 1ul << event ? event : 0;
}

void trace_child_locked(const Task& parent, Task& child) {
  const TraceState& trace = parent.trace;
  if (trace.tracer == nullptr) return;
  trace_link_locked(child, *trace.tracer, trace.options, trace.seized);
  if (trace.seized) {
    child.trace.trap_wanted = true;
  } else {
    child.signals.pending.set |= signal_bit(SIGSTOP);
  }
}

namespace {

void let_go(Task& task, int signal) {
  TraceState& trace = task.trace;
  if (!trace.stopped) return;
  trace.signal = signal;
  trace.untold = 0;
  trace.listening = false;
  if (trace.frozen) {
    trace.released = true;
    return;
  }
  __atomic_store_n(&trace.stopped, false, __ATOMIC_RELEASE);
  trace.resumed.wake();
}

}  // namespace

void cancel_trace_stop_locked(Task& task) { let_go(task, 0); }

void trace_resume_locked(Task& tracee, int signal) { let_go(tracee, signal); }

// A seized tracee says that its process goes on, by one more stop.
void trace_continued_locked(Task& task) {
  if (task.trace.tracer == nullptr || !task.trace.seized) return;
  __atomic_store_n(&task.trace.notice_wanted, true, __ATOMIC_SEQ_CST);
  if (task.trace.listening) {
    let_go(task, 0);
  } else {
    kick_task(task);
  }
}

void trace_link_locked(Task& tracee, Task& tracer, uint64_t options, bool seized) {
  KASSERT(tracee.trace.tracer == nullptr);
  TraceState& trace = tracee.trace;
  trace.options = options;
  trace.seized = seized;
  trace.syscalls = trace.step = trace.forced_trap_flag = false;
  trace.trap_wanted = trace.notice_wanted = trace.group_stop_told = false;
  trace.next_tracee = tracer.trace.first_tracee;
  tracer.trace.first_tracee = &tracee;
  if (tracee.pid == tracee.tgid) tracee.process->traced_leader = &tracee;
  tracee.get();
  __atomic_store_n(&trace.tracer, &tracer, __ATOMIC_SEQ_CST);
}

void trace_unlink_locked(Task& tracee) {
  TraceState& trace = tracee.trace;
  Task** link = &trace.tracer->trace.first_tracee;
  while (*link != &tracee) link = &(*link)->trace.next_tracee;
  *link = trace.next_tracee;
  trace.next_tracee = nullptr;
  __atomic_store_n(&trace.tracer, nullptr, __ATOMIC_SEQ_CST);
  trace.syscalls = trace.trap_wanted = trace.notice_wanted = trace.group_stop_told = false;
  // A leader that has ended has no process any more, but its process knows it.
  if (Process* process = find_process(tracee.tgid); process != nullptr && process->traced_leader == &tracee)
    process->traced_leader = nullptr;
  let_go(tracee, trace.signal);
  Ref<Task>::adopt(&tracee).reset();
}

void tell_tracer_locked(const Task& tracee, int code, int status) {
  Process& process = *tracee.trace.tracer->process;
  const SignalAction& action = tracee.trace.tracer->handlers->action(SIGCHLD);
  bool is_stop = code == CLD_TRAPPED || code == CLD_STOPPED;
  bool wanted = !is_stop || (action.handler != 1 && !(action.flags & SA_NOCLDSTOP));
  if (wanted) {
    siginfo_t info = {};
    info.si_signo = SIGCHLD;
    info.si_code = code;
    info.si_pid = tracee.pid;
    info.si_status = status;
    send_process_signal_locked(process, info);
  }
  process.child_events.wake();
}

FrozenTracee::FrozenTracee(int pid) {
  {
    SpinlockGuard guard(tasks_lock);
    Task* task = find_task(pid);
    if (task == nullptr || task->trace.tracer != &current()) return;
    if (!task->trace.stopped || task->trace.listening) return;
    task->trace.frozen = true;
    task_ = Ref<Task>(task);
  }
  // It has said that it stops, and is on its way there.
  while (__atomic_load_n(&task_->on_cpu, __ATOMIC_ACQUIRE)) spin_relax();
}

FrozenTracee::~FrozenTracee() {
  if (!task_) return;
  SpinlockGuard guard(tasks_lock);
  task_->trace.frozen = false;
  if (task_->trace.released) let_go(*task_, task_->trace.signal);
}

// All ways from user code into the kernel put it there.
TrapFrame& user_frame(const Task& task) { return reinterpret_cast<TrapFrame*>(task.kernel_stack)[-1]; }

void set_single_step(Task& task, bool on) {
  TraceState& trace = task.trace;
  TrapFrame& frame = user_frame(task);
  trace.step = on;
  if (on && !(frame.rflags & kFlagTrap)) {
    frame.rflags |= kFlagTrap;
    trace.forced_trap_flag = true;
  } else if (!on && trace.forced_trap_flag) {
    frame.rflags &= ~kFlagTrap;
    trace.forced_trap_flag = false;
  }
}

}  // namespace mk
