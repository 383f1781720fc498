// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which signals are pending and what becomes of them: Linux kernel/signal.c. The frames are in
// signal_frame.cpp.
#include "proc/signal.h"

#include <asm/unistd.h>

#include "arch/x86_64/trace.h"
#include "arch/x86_64/trap_frame.h"
#include "lib/log.h"
#include "lib/string.h"
#include "proc/job_control.h"
#include "proc/posix_timer.h"
#include "proc/process.h"
#include "proc/signal_frame.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr SignalSet kIgnoredByDefault =
    signal_bit(SIGCONT) | signal_bit(SIGCHLD) | signal_bit(SIGWINCH) | signal_bit(SIGURG);
constexpr SignalSet kStopsByDefault =
    signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
// Caused by an instruction; delivered before all others, so that the frame shows that instruction.
constexpr SignalSet kSynchronous = signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) |
                                   signal_bit(SIGTRAP) | signal_bit(SIGFPE) | signal_bit(SIGSYS);

constexpr uint64_t kDefault = 0;  // SIG_DFL
constexpr uint64_t kIgnore = 1;   // SIG_IGN

bool is_ignored(const SignalAction& action, int number) {
  if (action.handler == kIgnore) return true;
  return action.handler == kDefault && (kIgnoredByDefault & signal_bit(number));
}

void enqueue(PendingSignals& pending, const siginfo_t& info) {
  bool real_time = info.si_signo >= SIGRTMIN;
  bool already = pending.set & signal_bit(info.si_signo);
  __atomic_fetch_or(&pending.set, signal_bit(info.si_signo), __ATOMIC_SEQ_CST);
  if (already && !real_time) return;
  QueuedSignal* entry = create<QueuedSignal>(info, nullptr);
  if (entry == nullptr) return;
  QueuedSignal** tail = &pending.queue;
  while (*tail != nullptr) tail = &(*tail)->next;
  *tail = entry;
}

// Takes the oldest entry of `number` out of the queue.
siginfo_t dequeue(PendingSignals& pending, int number) {
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = SI_USER;
  bool found = false;
  bool more = false;
  for (QueuedSignal** link = &pending.queue; *link != nullptr;) {
    QueuedSignal* entry = *link;
    if (entry->info.si_signo != number) {
      link = &entry->next;
    } else if (!found) {
      found = true;
      info = entry->info;
      *link = entry->next;
      destroy(entry);
    } else {
      more = true;
      break;
    }
  }
  if (!more) __atomic_fetch_and(&pending.set, ~signal_bit(number), __ATOMIC_SEQ_CST);
  return info;
}

void drop_pending(PendingSignals& pending, SignalSet set) {
  for (int number = 1; number <= kSignals; ++number)
    while (pending.set & set & signal_bit(number)) dequeue(pending, number);
}

// The lowest of a set, those that instructions cause first; 0: none.
int first_of(SignalSet ready) {
  if (ready == 0) return 0;
  if (ready & kSynchronous) ready &= kSynchronous;
  return __builtin_ctzl(ready) + 1;
}

SignalSet ready_signals(const Task& task, SignalSet wanted) {
  SignalSet own = __atomic_load_n(&task.signals.pending.set, __ATOMIC_SEQ_CST);
  SignalSet shared = __atomic_load_n(&task.process->pending.set, __ATOMIC_SEQ_CST);
  return (own | shared) & wanted;
}

const char* name_of_synchronous(int number) {
  switch (number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGTRAP:
      return "SIGTRAP";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "a signal";
  }
}

// A program that its own instruction ends cannot say so itself. Whoever sent a signal knows (si_code <= 0).
// The machine looks for "killed by" and reads the address behind the last "at" (emu/cli/run.cpp).
void log_fatal(const Task& task, const TrapFrame& frame, const siginfo_t& info) {
  if (!(signal_bit(info.si_signo) & kSynchronous) || info.si_code <= 0) return;
  char address[24] = "";
  constexpr uint64_t kPageFault = 14;
  if (task.signals.trap_number == kPageFault && info.si_code != SI_KERNEL)
    format_text(address, sizeof(address), " 0x%lx,", reinterpret_cast<uint64_t>(info.si_addr));
  log("%s[%d]: killed by %s: %s%s at 0x%lx", task.name, task.pid, name_of_synchronous(info.si_signo),
      task.signals.cause, address, frame.rip);
}

// Tells the parent, if it wants to hear of stops.
void tell_parent_locked(Process& process, int code, int status) {
  Process* parent = process.parent;
  if (parent == nullptr) return;
  bool wanted =
      parent->threads != nullptr && !(parent->threads->handlers->action(SIGCHLD).flags & SA_NOCLDSTOP);
  if (wanted) {
    siginfo_t info = {};
    info.si_signo = SIGCHLD;
    info.si_code = code;
    info.si_pid = process.tgid;
    info.si_status = status;
    send_process_signal_locked(*parent, info);
  }
  parent->child_events.wake();
}

void stop_process(Process& process, int number) {
  SpinlockGuard guard(tasks_lock);
  if (process.group_exit || process.continues != current().signals.continues_seen) return;
  process.stopped = true;
  process.stop_signal = number;
  process.stop_untold = true;
  process.continue_untold = false;
  for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread) {
    thread->trace.group_stop_told = false;
    kick_task(*thread);
  }
  // A parent that traces it hears of the tracee's stop instead.
  const Task* leader = process.traced_leader;
  if (leader == nullptr || leader->trace.tracer->process.raw() != process.parent)
    tell_parent_locked(process, CLD_STOPPED, number);
}

// SIGCONT and SIGKILL undo a stop when they are sent, blocked or not.
void continue_locked(Process& process, bool tell) {
  if (!process.stopped) return;
  process.stopped = false;
  process.stop_untold = false;
  process.continue_untold = tell;
  process.continued.wake();
  if (tell) tell_parent_locked(process, CLD_CONTINUED, SIGCONT);
}

void stay_stopped(const Task& task, Process& process) {
  auto over = [&] {
    return !__atomic_load_n(&process.stopped, __ATOMIC_ACQUIRE) || is_traced_anyhow(task.trace);
  };
  sleep_until(process.continued, over, Sleep::kKillable);
}

// Terminal stops do nothing to those that no shell could continue.
bool is_orphaned_group(int group) {
  SpinlockGuard guard(tasks_lock);
  return is_orphaned_group_locked(group);
}

// The default action, for signals that are not ignored by default.
void default_action(Task& task, const TrapFrame& frame, const siginfo_t& info) {
  int number = info.si_signo;
  Process& process = *task.process;
  if (signal_bit(number) & kStopsByDefault) {
    if (number == SIGSTOP || !is_orphaned_group(process.group)) stop_process(process, number);
    return;
  }
  log_fatal(task, frame, info);
  do_group_exit(number);
}

bool has_to_end(const Task& task) {
  const Process& process = *task.process;
  return __atomic_load_n(&process.group_exit, __ATOMIC_SEQ_CST) ||
         (process.executor != nullptr && process.executor != &task);
}

// What a tracer may want to see is not ignored.
bool is_ignored_by(const Task& task, int number) {
  if (is_traced_anyhow(task.trace) && number != SIGKILL) return false;
  return is_ignored(task.handlers->action(number), number);
}

void effects_of_sending(Process& process, int number) {
  if (number == SIGCONT) ++process.continues;
  if (number == SIGCONT || number == SIGKILL) {
    for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
      drop_pending(thread->signals.pending, kStopsByDefault);
    drop_pending(process.pending, kStopsByDefault);
    continue_locked(process, number == SIGCONT);
    for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
      number == SIGCONT ? trace_continued_locked(*thread) : cancel_trace_stop_locked(*thread);
  } else if (signal_bit(number) & kStopsByDefault) {
    for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
      drop_pending(thread->signals.pending, signal_bit(SIGCONT));
    drop_pending(process.pending, signal_bit(SIGCONT));
  }
}

}  // namespace

namespace {

// A traced task stops once for its process's stop, as long as its tracer wants (trace_stop_due).
bool is_held_by_stop(const Task& task) {
  return __atomic_load_n(&task.process->stopped, __ATOMIC_SEQ_CST) && !is_traced_anyhow(task.trace);
}

}  // namespace

bool kill_pending(const Task& task) {
  return has_to_end(task) || ready_signals(task, signal_bit(SIGKILL)) != 0;
}

bool signal_pending(const Task& task) {
  return has_to_end(task) || is_held_by_stop(task) || trace_stop_due(task) ||
         ready_signals(task, ~task.signals.blocked) != 0;
}

void send_signal_locked(Task& task, const siginfo_t& info) {
  int number = info.si_signo;
  effects_of_sending(*task.process, number);
  bool blocked = task.signals.blocked & signal_bit(number);
  if (!blocked && is_ignored_by(task, number)) return;
  enqueue(task.signals.pending, info);
  if (!blocked || (task.signals.awaited & signal_bit(number))) kick_task(task);
}

void send_signal(Task& task, const siginfo_t& info) {
  SpinlockGuard guard(tasks_lock);
  send_signal_locked(task, info);
}

void send_process_signal_locked(Process& process, const siginfo_t& info) {
  int number = info.si_signo;
  if (process.threads == nullptr) return;  // a zombie
  effects_of_sending(process, number);
  Task* taker = nullptr;  // the first that does not block it
  for (Task* thread = process.threads; thread != nullptr && taker == nullptr; thread = thread->next_thread)
    if (!(thread->signals.blocked & signal_bit(number))) taker = thread;
  if (taker != nullptr && is_ignored_by(*taker, number)) return;
  enqueue(process.pending, info);
  // All that could take it look; one finds it.
  for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
    if (!(thread->signals.blocked & signal_bit(number)) || (thread->signals.awaited & signal_bit(number)))
      kick_task(*thread);
}

void send_shared_signal_locked(Process& process, const siginfo_t& info) {
  send_process_signal_locked(process, info);
  int number = info.si_signo;
  SignalSet cancelled = number == SIGCONT                      ? kStopsByDefault
                        : signal_bit(number) & kStopsByDefault ? signal_bit(SIGCONT)
                                                               : 0;
  for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread) {
    SignalState& signals = thread->signals;
    if (signals.forks) signals.for_child = (signals.for_child & ~cancelled) | signal_bit(number);
  }
}

void force_signal(Task& task, int number, int code, uint64_t address) {
  SpinlockGuard guard(tasks_lock);
  SignalAction& action = task.handlers->action(number);
  bool blocked = task.signals.blocked & signal_bit(number);
  if (blocked || action.handler == kIgnore) {
    action.handler = kDefault;
    task.signals.blocked &= ~signal_bit(number);
  }
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = code;
  info.si_addr = reinterpret_cast<void*>(address);
  enqueue(task.signals.pending, info);
}

void drop_ignored_locked(Process& process, int number) {
  if (process.threads == nullptr || !is_ignored(process.threads->handlers->action(number), number)) return;
  drop_pending(process.pending, signal_bit(number));
  for (Task* thread = process.threads; thread != nullptr; thread = thread->next_thread)
    drop_pending(thread->signals.pending, signal_bit(number));
}

void flush_signals_locked(PendingSignals& pending) {
  while (pending.queue != nullptr) {
    QueuedSignal* entry = pending.queue;
    pending.queue = entry->next;
    destroy(entry);
  }
  pending.set = 0;
}

void set_blocked(Task& task, SignalSet blocked) {
  SpinlockGuard guard(tasks_lock);
  task.signals.blocked = blocked & ~kUnblockable;
  // What this task no longer takes another one may.
  for (Task* thread = task.process->threads; thread != nullptr; thread = thread->next_thread)
    if (thread != &task && (task.process->pending.set & ~thread->signals.blocked)) kick_task(*thread);
}

void reset_handlers(Task& task) {
  for (SignalAction& action : task.handlers->actions) {
    uint64_t handler = action.handler == kIgnore ? kIgnore : kDefault;
    action = SignalAction{.handler = handler};
  }
  task.signals.alternate_stack = task.signals.alternate_size = 0;
  task.signals.alternate_flags = SS_DISABLE;
}

int take_signal(Task& task, SignalSet wanted, siginfo_t& info) {
  int number = 0;
  {
    SpinlockGuard guard(tasks_lock);
    number = first_of(ready_signals(task, wanted));
    if (number == 0) return 0;
    bool own = task.signals.pending.set & signal_bit(number);
    info = dequeue(own ? task.signals.pending : task.process->pending, number);
    task.signals.continues_seen = task.process->continues;
  }
  if (info.si_code == SI_TIMER) posix_timer_delivered(info);
  return number;
}

bool was_interrupted(const TrapFrame& frame) {
  if (frame.vector != kSyscallVector) return false;
  long result = -static_cast<long>(frame.rax);
  return result == kRestartSys || result == kRestartNoIntr || result == kRestartNoHandler ||
         result == kRestartBlock;
}

namespace {

// What an interrupted call gives: EINTR, or itself once more. `action` is the handler that is going to run,
// null: none.
void settle_restart(Task& task, TrapFrame& frame, const SignalAction* action) {
  if (!was_interrupted(frame)) return;
  long result = -static_cast<long>(frame.rax);
  constexpr uint64_t kSyscallBytes = 2;
  bool again = action == nullptr || result == kRestartNoIntr ||
               (result == kRestartSys && (action->flags & SA_RESTART));
  if (!again) {
    frame.rax = static_cast<uint64_t>(-EINTR);
  } else {
    frame.rax = result == kRestartBlock ? __NR_restart_syscall : frame.error_code;
    frame.rip -= kSyscallBytes;
    frame.rcx = frame.rip;
  }
  if (again && result != kRestartBlock) task.restart = nullptr;
}

// False: the signal does nothing.
bool take_action(Task& task, TrapFrame& frame, const siginfo_t& info) {
  int number = info.si_signo;
  SignalAction taken;
  {
    SpinlockGuard guard(tasks_lock);
    SignalAction& action = task.handlers->action(number);
    taken = action;
    if (taken.handler > kIgnore && (taken.flags & SA_RESETHAND)) action.handler = kDefault;
  }
  if (number == SIGKILL) do_group_exit(SIGKILL);
  if (is_ignored(taken, number)) return false;
  if (taken.handler == kDefault) {
    default_action(task, frame, info);
    return false;
  }
  bool stepping = trace_leave_step(task, frame);
  settle_restart(task, frame, &taken);
  if (!push_signal_frame(task, frame, taken, info)) {
    // The stack cannot take the frame. SIGSEGV, and no second try of a SIGSEGV handler (Linux's
    // signal_setup_done).
    log("%s[%d]: bad stack for signal %d: sp %lx", task.name, task.pid, number, frame.rsp);
    if (number == SIGSEGV) task.handlers->action(SIGSEGV).handler = kDefault;
    task.signals.cause = "no stack for a signal handler";
    force_signal(task, SIGSEGV, SI_KERNEL, 0);
    return true;
  }
  task.signals.has_saved_mask = false;  // the frame has it
  SignalSet blocked = task.signals.blocked | taken.mask;
  if (!(taken.flags & SA_NODEFER)) blocked |= signal_bit(number);
  set_blocked(task, blocked);
  trace_handler_entered(task, stepping);
  return true;
}

}  // namespace

void deliver_signals(TrapFrame& frame) {
  Task& task = current();
  Process& process = *task.process;
  while (true) {
    if (has_to_end(task)) do_exit(process.group_exit ? process.exit_status : 0);
    if (trace_stop_due(task)) {
      take_trace_stop(task);
      continue;
    }
    if (is_held_by_stop(task)) {
      stay_stopped(task, process);
      continue;
    }
    siginfo_t info;
    int number = take_signal(task, ~task.signals.blocked, info);
    if (number == 0) break;
    if (is_traced_anyhow(task.trace) && number != SIGKILL && (number = trace_signal(task, info)) == 0)
      continue;
    trace(trace_abi::TraceType::kSignal, task.pid, number,
          static_cast<uint64_t>(static_cast<int64_t>(info.si_code)),
          reinterpret_cast<uint64_t>(info.si_addr));
    take_action(task, frame, info);
  }
  settle_restart(task, frame, nullptr);
  if (!task.signals.has_saved_mask) return;
  task.signals.has_saved_mask = false;
  set_blocked(task, task.signals.saved_mask);
}

long do_sigaltstack(Task& task, const stack_t* wanted, stack_t* old, uint64_t user_stack_pointer) {
  SignalState& state = task.signals;
  bool on_stack = on_alternate_stack(state, user_stack_pointer);
  if (old != nullptr) {
    old->ss_sp = reinterpret_cast<void*>(state.alternate_stack);
    old->ss_size = state.alternate_size;
    old->ss_flags =
        alternate_stack_status(state, user_stack_pointer) | (state.alternate_flags & SS_AUTODISARM);
  }
  if (wanted == nullptr) return 0;
  if (on_stack) return -EPERM;
  uint32_t mode = static_cast<uint32_t>(wanted->ss_flags) & ~SS_AUTODISARM;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return -EINVAL;
  if (mode == SS_DISABLE) {
    state.alternate_stack = state.alternate_size = 0;
  } else {
    if (wanted->ss_size < MINSIGSTKSZ) return -ENOMEM;
    state.alternate_stack = reinterpret_cast<uint64_t>(wanted->ss_sp);
    state.alternate_size = wanted->ss_size;
  }
  state.alternate_flags = static_cast<uint32_t>(wanted->ss_flags);
  return 0;
}

}  // namespace mk
