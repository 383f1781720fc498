// SPDX-License-Identifier: GPL-2.0-or-later
//
// A task: one thread of a program, with what it shares (process, address space, files, signal handlers)
// behind references. The running task of a CPU is current(). Who else uses a Task holds tasks_lock
// (proc/process.h), or a Ref.
//
// A task ends in three steps: do_exit() gives back what it holds and tells its process; its last schedule()
// leaves its stack; the task that runs after it drops the reference that a living task has of itself.
#pragma once

#include <stdint.h>

#include "arch/x86_64/fpu.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/selectors.h"
#include "arch/x86_64/trap_frame.h"
#include "fs/file_table.h"
#include "lib/ref.h"
#include "lib/spinlock.h"
#include "mm/address_space.h"
#include "proc/process.h"
#include "proc/ptrace.h"
#include "proc/scheduler.h"
#include "proc/signal.h"

namespace mk {

// Where a process is in the tree of files.
class FileSystemContext : public RefCounted {
 public:
  FileSystemContext() = default;
  FileSystemContext(FileSystemContext& other) : directory(other.working_directory()), umask(other.umask) {}

  // By these when other threads may run.
  Ref<Dentry> working_directory() {
    SpinlockGuard guard(lock_);
    return directory;
  }
  void set_working_directory(Ref<Dentry> wanted) {
    SpinlockGuard guard(lock_);
    directory.swap(wanted);
  }

  Ref<Dentry> directory;  // the working directory
  uint32_t umask = 022;

 private:
  Spinlock lock_;
};

struct Task : public RefCounted {
  static constexpr size_t kNameSize = 16;  // with the NUL, as PR_SET_NAME has it

  Task();

  uint64_t limit(int resource) const { return process->limits[resource].soft; }
  // The descriptors that it gets are below.
  int descriptor_limit() const;
  void set_name(const char* path);
  uint64_t run_time_ns() const;  // so far

  int pid = 0;
  int tgid = 0;
  char name[kNameSize] = {};
  Ref<AddressSpace> mm;  // empty: idle tasks, and from exit on
  Ref<FileTable> files;
  DroppedFiles dropped_files;
  Ref<FileSystemContext> fs;
  Ref<Process> process;  // empty: idle tasks
  Ref<SignalHandlers> handlers;
  SignalState signals;
  TraceState trace;
  FpuState fpu;             // while the task does not run
  UserSelectors selectors;  // the same
  uint64_t fs_base = 0;     // the same
  uint64_t gs_base = 0;
  uint64_t clear_child_tid = 0;
  uint64_t robust_list = 0;
  // prctl(2)'s.
  int parent_death_signal = 0;  // when the thread that forked its process ends; 0: none
  bool no_new_privileges = false;
  bool keeps_capabilities = false;
  uint64_t timer_slack_ns = 50'000;
  int nice = 0;                // setpriority(2), sched_setscheduler(2): only told
  int policy = 0;              // SCHED_NORMAL
  TrapFrame* frame = nullptr;  // of the system call that is running
  uint64_t start_ns = 0;
  uint64_t minor_faults = 0;
  bool exiting = false;                   // in do_exit(): no fault waits for anybody
  uint64_t unimplemented_logged[8] = {};  // a bit for each system call that this program was told is missing

  bool takes_no_faults = false;  // an access to user memory that needs one fails (get_user_if_present)

  bool nowait = false;  // its transfers do not wait (RWF_NOWAIT, io_uring)
  bool has_used_io_uring = false;

  // How to go on with an interrupted call that cannot simply be repeated (Linux's restart_block).
  long (*restart)(Task& task) = nullptr;
  uint64_t restart_arguments[4] = {};
  // Set by vfork for the child: told when it no longer needs its parent's memory.
  Ref<Completion> vfork_done;
  // Where a new kernel thread begins; null: user code, at the frame on top of the kernel stack.
  void (*entry)() = nullptr;
  void (*thread_function)(void*) = nullptr;  // of a kernel thread (kernel_thread.h)
  void* thread_argument = nullptr;

  // The scheduler's, under its lock.
  RunState state = RunState::kRunning;
  bool on_cpu = false;           // its registers are in a CPU, or on the way there or back
  bool queued = false;           // in the run queue
  bool ends_for_signal = false;  // sleeps, and a signal ends that
  bool ends_for_kill = false;    // sleeps, and SIGKILL ends that
  unsigned cpu = 0;              // where it runs or ran last
  uint64_t affinity = ~0ul;
  Task* next_in_queue = nullptr;
  uint64_t kernel_stack = 0;  // its top
  uint64_t saved_stack_pointer = 0;
  uint64_t run_ns = 0;       // up to the last time it lost the CPU
  uint64_t switched_in = 0;  // now_ns()

  // In its process's list, under tasks_lock.
  Task* next_thread = nullptr;
  int exit_signal = 0;  // what its process's parent gets when the process ends
};

// Gives the running task other files or another place among them. Whoever looks at a task from outside takes
// what it refers to under tasks_lock, so the old ones are dropped after that.
void take_files(Task& task, Ref<FileTable> files);
void take_place(Task& task, Ref<FileSystemContext> fs);

// The task that runs on this CPU.
inline Task& current() { return *this_cpu().current; }

// Ends the running task; `status` as wait4 shows it: exit code << 8, or the signal that killed it.
[[noreturn]] void do_exit(int status);
// Ends all tasks of the process.
[[noreturn]] void do_group_exit(int status);

}  // namespace mk
