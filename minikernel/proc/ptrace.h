// SPDX-License-Identifier: GPL-2.0-or-later
//
// Tracing: one task (the tracer, a thread) sees and steers another one (ptrace(2), Linux kernel/ptrace.c). A
// tracee stops at what it was asked to stop at, tells its tracer, and sleeps until that lets it go on. The
// requests are in sys/ptrace.cpp; what wait4 says of tracees is in proc/exit.cpp.
//
// A tracer has a list of its tracees, each with a reference: a thread that ends while it is traced stays
// there until the tracer has asked how it ended. The leader of a process is known to the process too
// (Process::traced_leader): the parent hears of the end of a process only after the tracer.
//
// All of it is guarded by tasks_lock. While a request works on a stopped tracee without that lock, the tracee
// is frozen: not even SIGKILL moves it before the request is done. So its registers, in the frame on top of
// its kernel stack and in its Task, lie still.
//
// Not there: hardware breakpoints, PTRACE_SYSEMU, seccomp, group stops that wait for all threads before they
// are told.
#pragma once

#include <stdint.h>

#include "arch/x86_64/trap_frame.h"
#include "lib/ref.h"
#include "proc/signal.h"
#include "proc/wait_queue.h"

namespace mk {

class AddressSpace;
struct Task;

struct TraceState {
  Task* first_tracee = nullptr;  // as a tracer: the last attached first

  // As a tracee.
  Task* tracer = nullptr;  // null: nobody traces it
  Task* next_tracee = nullptr;
  uint64_t options = 0;  // PTRACE_O_*
  bool seized = false;
  bool syscalls = false;          // it stops at system calls
  bool step = false;              // it stops after an instruction
  bool forced_trap_flag = false;  // by RFLAGS.TF, which the program has not set itself
  bool trap_wanted = false;       // it is to stop and say PTRACE_EVENT_STOP, if it does not stop anyhow
  bool notice_wanted = false;     // the same in any case: its process goes on
  bool group_stop_told = false;   // the stop of its process was told and holds it no longer
  // The stop that it is in.
  bool stopped = false;
  bool listening = false;     // PTRACE_LISTEN: stopped, and no requests
  bool frozen = false;        // by a request
  bool released = false;      // it goes on when it is no longer frozen
  int untold = 0;             // what wait has not said yet: signal, and event << 8
  int signal = 0;             // to go on with
  uint64_t message = 0;       // PTRACE_GETEVENTMSG
  siginfo_t* info = nullptr;  // PTRACE_GETSIGINFO; on the tracee's stack
  WaitQueue resumed;
  // Its end, until it is told.
  bool ended = false;
  int end_status = 0;
  int end_group = 0;
};

// The memory of a task for somebody else; empty: no such task, or it has none any more (Linux's mm_access,
// with nothing to forbid: everybody is root).
Ref<AddressSpace> memory_of_task(int pid);

// --- The tracee's side: by the running task, without locks.

inline bool is_traced_anyhow(const TraceState& trace) {
  return __atomic_load_n(&trace.tracer, __ATOMIC_RELAXED) != nullptr;
}
// A stop is due before it returns to its program: its process has stopped, or PTRACE_INTERRUPT.
bool trace_stop_due(const Task& task);
void take_trace_stop(Task& task);
// A signal is about to be delivered. Which one is, with `info` about it; 0: none.
int trace_signal(Task& task, siginfo_t& info);
// Around a system call that is traced. False: the call is not to be made.
bool trace_syscall_entry(Task& task, TrapFrame& frame);
void trace_syscall_exit(Task& task, TrapFrame& frame);
// Stops for PTRACE_EVENT_* if the tracer has asked for it. False: it has not.
bool trace_event(Task& task, int event, uint64_t message);
void trace_exec(Task& task, int old_pid);
// The frame of a signal handler has been built; `stepping`: what trace_leave_step() said before.
void trace_handler_entered(Task& task, bool stepping);
bool trace_leave_step(Task& task, TrapFrame& frame);

// --- All of these need tasks_lock.

// The event that a clone with these arguments is for the tracer; 0: none that was asked for.
int trace_event_of_clone_locked(const Task& parent, uint64_t flags, int exit_signal);
// A new task of a traced one, not running yet, gets the same tracer.
void trace_child_locked(const Task& parent, Task& child);
// It is about to be killed: whatever stop it is in ends.
void cancel_trace_stop_locked(Task& task);
// Its process has been continued.
void trace_continued_locked(Task& task);
// Makes `tracer` the tracer of the task; ends that, and lets the task go on.
void trace_link_locked(Task& tracee, Task& tracer, uint64_t options, bool seized);
void trace_unlink_locked(Task& tracee);
// Signals the tracer, and wakes it if it waits.
void tell_tracer_locked(const Task& tracee, int code, int status);
// A stopped task goes on; one that listens, too.
void trace_resume_locked(Task& tracee, int signal);

// A stopped tracee of the running task, frozen while this lives.
class FrozenTracee {
 public:
  explicit FrozenTracee(int pid);  // empty: no such one, or it is not stopped
  ~FrozenTracee();
  FrozenTracee(const FrozenTracee&) = delete;
  explicit operator bool() const { return static_cast<bool>(task_); }
  Task* operator->() const { return task_.raw(); }
  Task& operator*() const { return *task_; }

 private:
  Ref<Task> task_;
};

// The registers of a task that does not run, in its frame.
TrapFrame& user_frame(const Task& task);
// Single steps from now on, or no more.
void set_single_step(Task& task, bool on);

}  // namespace mk
