// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which signals are pending and what becomes of them: Linux kernel/signal.c. The frames are in
// signal_frame.cpp.
#include "proc/signal.h"

#include "arch/x86_64/trace.h"
#include "lib/log.h"
#include "lib/string.h"
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

void enqueue(SignalState& state, const siginfo_t& info) {
  bool real_time = info.si_signo >= SIGRTMIN;
  bool already = state.pending & signal_bit(info.si_signo);
  state.pending |= signal_bit(info.si_signo);
  if (already && !real_time) return;
  QueuedSignal* entry = create<QueuedSignal>(info, nullptr);
  if (entry == nullptr) return;
  QueuedSignal** tail = &state.queue;
  while (*tail != nullptr) tail = &(*tail)->next;
  *tail = entry;
}

// Takes the oldest entry of `number` out of the queue.
siginfo_t dequeue(SignalState& state, int number) {
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = SI_USER;
  bool found = false;
  bool more = false;
  for (QueuedSignal** link = &state.queue; *link != nullptr;) {
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
  if (!more) state.pending &= ~signal_bit(number);
  return info;
}

int next_signal(const SignalState& state) {
  SignalSet ready = state.pending & ~state.blocked;
  if (ready == 0) return 0;
  if (ready & kSynchronous) ready &= kSynchronous;
  return __builtin_ctzl(ready) + 1;
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

// The default action, for signals that are not ignored by default. Stopping needs somebody who can continue
// us.
void default_action(Task& task, const TrapFrame& frame, const siginfo_t& info) {
  int number = info.si_signo;
  if (signal_bit(number) & kStopsByDefault) {
    log("%s[%d]: signal %d: stopping is not implemented, ignored", task.name, task.pid, number);
    return;
  }
  log_fatal(task, frame, info);
  do_exit(number);
}

}  // namespace

bool signal_pending(const Task& task) { return next_signal(task.signals) != 0; }

void send_signal(Task& task, const siginfo_t& info) {
  int number = info.si_signo;
  bool blocked = task.signals.blocked & signal_bit(number);
  if (!blocked && is_ignored(task.handlers->action(number), number)) return;
  enqueue(task.signals, info);
}

void force_signal(Task& task, int number, int code, uint64_t address) {
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
  enqueue(task.signals, info);
}

void drop_ignored(Task& task, int number) {
  if (!is_ignored(task.handlers->action(number), number)) return;
  while (task.signals.pending & signal_bit(number)) dequeue(task.signals, number);
}

void flush_signals(Task& task) {
  while (task.signals.queue != nullptr) {
    QueuedSignal* entry = task.signals.queue;
    task.signals.queue = entry->next;
    destroy(entry);
  }
  task.signals.pending = 0;
}

void reset_handlers(Task& task) {
  for (SignalAction& action : task.handlers->actions) {
    uint64_t handler = action.handler == kIgnore ? kIgnore : kDefault;
    action = SignalAction{.handler = handler};
  }
  task.signals.alternate_stack = task.signals.alternate_size = 0;
  task.signals.alternate_flags = SS_DISABLE;
}

void deliver_signals(TrapFrame& frame) {
  Task& task = current();
  while (int number = next_signal(task.signals)) {
    siginfo_t info = dequeue(task.signals, number);
    trace(trace_abi::TraceType::kSignal, task.pid, number,
          static_cast<uint64_t>(static_cast<int64_t>(info.si_code)),
          reinterpret_cast<uint64_t>(info.si_addr));
    SignalAction& action = task.handlers->action(number);
    if (number == SIGKILL) do_exit(SIGKILL);
    if (is_ignored(action, number)) continue;
    if (action.handler == kDefault) {
      default_action(task, frame, info);
      continue;
    }
    SignalAction taken = action;
    if (action.flags & SA_RESETHAND) action.handler = kDefault;
    if (!push_signal_frame(task, frame, taken, info)) {
      // The stack cannot take the frame. SIGSEGV, and no second try of a SIGSEGV handler (Linux's
      // signal_setup_done).
      log("%s[%d]: bad stack for signal %d: sp %lx", task.name, task.pid, number, frame.rsp);
      if (number == SIGSEGV) task.handlers->action(SIGSEGV).handler = kDefault;
      task.signals.cause = "no stack for a signal handler";
      force_signal(task, SIGSEGV, SI_KERNEL, 0);
      continue;
    }
    task.signals.has_saved_mask = false;  // the frame has it
    task.signals.blocked |= taken.mask & ~kUnblockable;
    if (!(taken.flags & SA_NODEFER)) task.signals.blocked |= signal_bit(number);
  }
  if (!task.signals.has_saved_mask) return;
  task.signals.blocked = task.signals.saved_mask;
  task.signals.has_saved_mask = false;
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
