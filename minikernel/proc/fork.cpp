// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/fork.h"

#include <linux/ptrace.h>
#include <linux/sched.h>

#include "arch/x86_64/context_switch.h"
#include "arch/x86_64/cpu.h"
#include "fs/pid_fd.h"
#include "init.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/job_control.h"
#include "proc/kernel_stack.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kKnownFlags =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD |
    CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID |
    CLONE_DETACHED | CLONE_UNTRACED | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_IO | CLONE_PTRACE;

// The combinations that Linux's copy_process() refuses.
long check_flags(uint64_t flags) {
  if (flags & ~kKnownFlags) return -EINVAL;
  if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return -EINVAL;
  if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return -EINVAL;
  if ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND)) return -EINVAL;
  if ((flags & CLONE_PIDFD) && (flags & (CLONE_THREAD | CLONE_DETACHED))) return -EINVAL;
  return 0;
}

Ref<SignalHandlers> copy_handlers(const Task& parent, uint64_t flags) {
  if (flags & CLONE_SIGHAND) return parent.handlers;
  Ref<SignalHandlers> handlers = make<SignalHandlers>();
  if (!handlers) return handlers;
  SpinlockGuard guard(tasks_lock);
  for (int i = 0; i < kSignals; ++i) {
    handlers->actions[i] = parent.handlers->actions[i];
    if ((flags & CLONE_CLEAR_SIGHAND) && handlers->actions[i].handler != 1) handlers->actions[i] = {};
  }
  return handlers;
}

Ref<Process> new_process(const Process& parent, uint64_t flags, int exit_signal) {
  Ref<Process> process = make<Process>();
  if (!process) return process;
  SpinlockGuard guard(tasks_lock);
  process->is_dumpable = parent.is_dumpable;
  process->no_huge_pages = parent.no_huge_pages;
  process->oom_score_adj = parent.oom_score_adj;
  process->uids = parent.uids;
  process->gids = parent.gids;
  process->exit_signal = flags & CLONE_PARENT ? parent.exit_signal : exit_signal;
  for (int i = 0; i < RLIM_NLIMITS; ++i) process->limits[i] = parent.limits[i];
  return process;
}

// On top of its kernel stack, where traps from user code put it.
TrapFrame* frame_on(const Task& task) { return reinterpret_cast<TrapFrame*>(task.kernel_stack) - 1; }

// What parent and child share or have a copy of. -ENOMEM: what was made goes with the task.
long copy_resources(Task& child, Task& parent, const CloneArguments& arguments) {
  uint64_t flags = arguments.flags;
  child.handlers = copy_handlers(parent, flags);
  child.files = flags & CLONE_FILES ? parent.files : parent.files->clone();
  child.fs = flags & CLONE_FS ? parent.fs : make<FileSystemContext>(*parent.fs);
  child.process =
      flags & CLONE_THREAD ? parent.process : new_process(*parent.process, flags, arguments.exit_signal);
  if (!child.handlers || !child.files || !child.fs || !child.process) return -ENOMEM;
  if (flags & CLONE_VFORK) {
    child.vfork_done = make<Completion>();
    if (!child.vfork_done) return -ENOMEM;
  }
  if (flags & CLONE_VM) {
    child.mm = parent.mm;
    return 0;
  }
  Result<Ref<AddressSpace>> mm = parent.mm->fork();
  if (!mm.ok()) return mm.error();
  child.mm = *mm;
  return 0;
}

void copy_registers(Task& child, Task& parent, const CloneArguments& arguments) {
  fpu_save(child.fpu);
  child.selectors = read_selectors();
  child.fs_base = arguments.flags & CLONE_SETTLS ? arguments.tls : read_msr(kMsrFsBase);
  child.gs_base = read_msr(kMsrKernelGsBase);
  child.frame = frame_on(child);
  *child.frame = *parent.frame;
  child.frame->rax = 0;
  if (parent.trace.forced_trap_flag) child.frame->rflags &= ~kFlagTrap;
  if (arguments.stack_pointer != 0) child.frame->rsp = arguments.stack_pointer;
}

void copy_attributes(Task& child, const Task& parent, const CloneArguments& arguments) {
  memcpy(child.name, parent.name, sizeof(child.name));
  child.signals.blocked = parent.signals.blocked;
  // A thread has no alternate stack of its own yet; a process with memory of its own has its parent's.
  if (!(arguments.flags & CLONE_VM) || (arguments.flags & CLONE_VFORK)) {
    child.signals.alternate_stack = parent.signals.alternate_stack;
    child.signals.alternate_size = parent.signals.alternate_size;
    child.signals.alternate_flags = parent.signals.alternate_flags;
  }
  child.no_new_privileges = parent.no_new_privileges;
  child.keeps_capabilities = parent.keeps_capabilities;
  child.timer_slack_ns = parent.timer_slack_ns;
  child.nice = parent.nice;
  child.policy = parent.policy;
  child.affinity = parent.affinity;
  child.cpu = parent.cpu;
  child.clear_child_tid = arguments.flags & CLONE_CHILD_CLEARTID ? arguments.child_tid : 0;
}

// A descriptor of the child for its parent: the number before the child can run, the file when it is certain
// that there is a child.
class NewPidfd {
 public:
  explicit NewPidfd(FileTable& files) : files_(files) {}
  ~NewPidfd() {
    if (fd_ >= 0) files_.unreserve(fd_);
  }
  NewPidfd(const NewPidfd&) = delete;

  long reserve(const Ref<Process>& child, const Task& parent, uint64_t out) {
    Result<Ref<File>> file = make_pid_fd(child, 0);
    if (!file.ok()) return file.error();
    Result<int> fd = files_.reserve(0, parent.descriptor_limit());
    if (!fd.ok()) return fd.error();
    file_ = *file;
    fd_ = *fd;
    return put_user(out, fd_) ? 0 : -EFAULT;
  }
  void install() {
    if (fd_ >= 0) files_.install_reserved(fd_, file_, true);
    fd_ = -1;
  }

 private:
  FileTable& files_;
  Ref<File> file_;
  int fd_ = -1;
};

// Gives the task its number and makes it known. `event`: what it is for the parent's tracer. -EAGAIN, -EINTR
// for a process that is ending.
long publish(Task& child, Task& parent, const CloneArguments& arguments, int& event) {
  SpinlockGuard guard(tasks_lock);
  Process& process = *parent.process;
  if (process.group_exit || process.executor != nullptr || kill_pending(parent)) return -kRestartSys;
  bool limited = process.uids.real != 0;  // not root
  if (limited && task_count_of(process.uids.real) >= process.limits[RLIMIT_NPROC].soft) return -EAGAIN;
  child.pid = new_pid();
  if (child.pid == 0) return -EAGAIN;
  child.tgid = arguments.flags & CLONE_THREAD ? parent.tgid : child.pid;
  if (!(arguments.flags & CLONE_THREAD)) {
    child.process->tgid = child.tgid;
    child.process->group = process.group;
    child.process->session = process.session;
    child.process->has_terminal = process.has_terminal;
    child.process->pending.set = parent.signals.for_child;
    Process* real_parent = arguments.flags & CLONE_PARENT ? process.parent : &process;
    if (real_parent != nullptr) link_child(*real_parent, *child.process);
    child.process->parent_thread = arguments.flags & CLONE_PARENT ? process.parent_thread : parent.pid;
    add_process(*child.process);
  }
  add_thread(*child.process, child);
  event = trace_event_of_clone_locked(parent, arguments.flags, arguments.exit_signal);
  if (event != 0 || (arguments.flags & CLONE_PTRACE)) trace_child_locked(parent, child);
  return 0;
}

}  // namespace

namespace {

void store_own_pid() {
  Task& task = current();
  put_user(task.restart_arguments[0], task.pid);
}

}  // namespace

void vfork_is_done(Task& task) {
  if (!task.vfork_done) return;
  task.vfork_done->complete();
  task.vfork_done.reset();
}

namespace {

// What is pending now is dealt with first, so that it does not end up in the child half done; what is sent to
// a group from now on is the child's as well (Linux's copy_process).
class Forking {
 public:
  Forking(Task& parent, bool makes_process) : signals_(parent.signals) {
    SpinlockGuard guard(tasks_lock);
    interrupted_ = signal_pending(parent);
    signals_.forks = makes_process && !interrupted_;
    signals_.for_child = 0;
  }
  ~Forking() {
    SpinlockGuard guard(tasks_lock);
    signals_.forks = false;
  }
  Forking(const Forking&) = delete;
  bool interrupted() const { return interrupted_; }

 private:
  SignalState& signals_;
  bool interrupted_;
};

long make_child(Task& child, Task& parent, const CloneArguments& arguments, int& event) {
  Forking forking(parent, !(arguments.flags & CLONE_THREAD));
  if (forking.interrupted()) return -kRestartNoIntr;
  if (long error = copy_resources(child, parent, arguments); error < 0) return error;
  copy_registers(child, parent, arguments);
  copy_attributes(child, parent, arguments);
  NewPidfd pidfd(*parent.files);
  if (arguments.flags & CLONE_PIDFD) {
    if (long error = pidfd.reserve(child.process, parent, arguments.pidfd); error < 0) return error;
  }
  long error = publish(child, parent, arguments, event);
  if (error == 0) pidfd.install();
  return error;
}

}  // namespace

long clone_task(const CloneArguments& arguments) {
  Task& parent = current();
  if (long error = check_flags(arguments.flags); error < 0) return error;
  Ref<Task> child = make<Task>();
  if (!child) return -ENOMEM;
  child->kernel_stack = alloc_kernel_stack();
  int event = 0;
  long error = child->kernel_stack == 0 ? -ENOMEM : make_child(*child, parent, arguments, event);
  if (error < 0) {
    if (child->kernel_stack != 0) free_kernel_stack(child->kernel_stack);
    return error;
  }
  int pid = child->pid;
  if ((arguments.flags & CLONE_PARENT_SETTID)) put_user(arguments.parent_tid, pid);
  if (arguments.flags & CLONE_CHILD_SETTID) {
    // By the child itself, as Linux's schedule_tail() does: its fault is seen, and may wait for a monitor.
    child->restart_arguments[0] = arguments.child_tid;
    child->entry = store_own_pid;
  }
  Ref<Completion> done = child->vfork_done;
  make_runnable(*child);
  child.reset();
  if (event != 0) trace_event(parent, event, static_cast<uint64_t>(pid));
  if (done && done->wait(Sleep::kKillable) == 0)
    trace_event(parent, PTRACE_EVENT_VFORK_DONE, static_cast<uint64_t>(pid));
  return pid;
}

Task* make_init_task(void (*entry)()) {
  Task* task = create<Task>();
  if (task == nullptr) panic("no memory for init");
  task->process = make<Process>();
  task->files = make<FileTable>();
  task->fs = make<FileSystemContext>();
  task->handlers = make<SignalHandlers>();
  task->kernel_stack = alloc_kernel_stack();
  if (!task->process || !task->files || !task->fs || !task->handlers || task->kernel_stack == 0)
    panic("no memory for init");
  task->entry = entry;
  task->frame = frame_on(*task);
  SpinlockGuard guard(tasks_lock);
  task->pid = task->tgid = task->process->tgid = new_pid();
  KASSERT(task->pid == kInitPid);
  task->process->group = task->process->session = task->pid;
  start_terminal_locked(*task->process);
  add_process(*task->process);
  add_thread(*task->process, *task);
  return task;
}

}  // namespace mk
