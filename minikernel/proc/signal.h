// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals as Linux has them on x86-64: what is pending and blocked for a task, what its process does about
// each signal, and delivery - default action, or a frame on the user stack in Linux's layout
// (arch/x86/kernel/signal.c), from which rt_sigreturn comes back. Numbers, structs and codes are those of
// <asm/signal.h> and <asm-generic/siginfo.h>.
#pragma once

#include <asm/siginfo.h>
#include <linux/signal.h>
#include <stdint.h>

#include "arch/x86_64/trap_frame.h"
#include "lib/ref.h"

namespace mk {

struct Task;
class Process;

inline constexpr int kSignals = 64;
using SignalSet = uint64_t;  // bit n-1 is signal n

inline constexpr SignalSet signal_bit(int number) { return 1ul << (number - 1); }
inline constexpr SignalSet kUnblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);

// The kernel's struct sigaction, as rt_sigaction carries it.
struct SignalAction {
  uint64_t handler = 0;  // SIG_DFL, SIG_IGN or an address
  uint64_t flags = 0;
  uint64_t restorer = 0;
  SignalSet mask = 0;
};

// Shared by the threads of a process.
class SignalHandlers : public RefCounted {
 public:
  SignalAction actions[kSignals];
  SignalAction& action(int number) { return actions[number - 1]; }
};

struct QueuedSignal {
  siginfo_t info;
  QueuedSignal* next;
};

// Of a task, or of a process for whichever of its tasks takes them.
struct PendingSignals {
  SignalSet set = 0;
  QueuedSignal* queue = nullptr;  // oldest first; a pending signal without an entry lost it to lack of memory
};

struct SignalState {
  SignalSet blocked = 0;
  PendingSignals pending;
  uint32_t continues_seen = 0;  // Process::continues when the last signal was taken
  bool forks = false;           // is making a process that nobody can find yet,
  SignalSet for_child = 0;      // which gets these (Linux's multiprocess_signals)
  SignalSet awaited = 0;        // sigtimedwait waits for these, blocked as they are
  uint64_t alternate_stack = 0;
  uint64_t alternate_size = 0;
  uint32_t alternate_flags = SS_DISABLE;
  // A call that waited under another mask (ppoll) was interrupted: the mask to go back to once the signal's
  // frame is built, or none was (Linux's saved_sigmask).
  SignalSet saved_mask = 0;
  bool has_saved_mask = false;
  // What the last exception was; shows in the frame's sigcontext (Linux's thread.trap_nr, error_code, cr2).
  uint64_t trap_number = 0;
  uint64_t trap_error = 0;
  uint64_t trap_address = 0;
  // What that exception is called, for the log line of a program that it kills.
  const char* cause = "";

  void restore_mask(SignalSet mask) {
    saved_mask = mask;
    has_saved_mask = true;
  }
};

// All of these take tasks_lock, those that end in _locked need it held.
//
// Makes a signal pending for the task, or for its process. A signal that is ignored and not blocked is
// dropped; a standard signal that is already pending stays pending once. Stop signals and SIGCONT take each
// other's place.
void send_signal(Task& task, const siginfo_t& info);
void send_signal_locked(Task& task, const siginfo_t& info);
void send_process_signal_locked(Process& process, const siginfo_t& info);
// The same when others get it too: a child that the process is just making is one of them.
void send_shared_signal_locked(Process& process, const siginfo_t& info);
// A signal that the running task's own instruction caused: it cannot be ignored or wait behind a mask.
void force_signal(Task& task, int number, int code, uint64_t address);
// After a change of a signal's action: what is pending and now ignored is dropped, as POSIX asks.
void drop_ignored_locked(Process& process, int number);
void flush_signals_locked(PendingSignals& pending);
// Something is there that is not blocked, or the task has to stop or end.
bool signal_pending(const Task& task);
bool kill_pending(const Task& task);
// After a change of the running task's mask.
void set_blocked(Task& task, SignalSet blocked);
// What exec does: handlers are gone, ignored signals stay ignored.
void reset_handlers(Task& task);
// The oldest pending signal of `wanted`, with who sent it; 0: none (rt_sigtimedwait).
int take_signal(Task& task, SignalSet wanted, siginfo_t& info);

// Whether the frame is of a system call that a signal interrupted: it still has to become EINTR or a
// repetition.
bool was_interrupted(const TrapFrame& frame);
// Delivers what is pending and not blocked; ends or stops the task if that is the signal's default. Settles
// what an interrupted system call returns.
void deliver_signals(TrapFrame& frame);

// System calls.
long do_rt_sigreturn(TrapFrame& frame);
long do_sigaltstack(Task& task, const stack_t* wanted, stack_t* old, uint64_t user_stack_pointer);

}  // namespace mk
