// SPDX-License-Identifier: GPL-2.0-or-later
//
// ptrace(2): what a tracer asks and does (Linux kernel/ptrace.c, arch/x86/kernel/ptrace.c). Attaching and
// PTRACE_KILL work on any task; PTRACE_INTERRUPT on a tracee; all others on a tracee that has stopped, else
// ESRCH.
#include "proc/ptrace.h"

#include <asm/ptrace.h>
#include <asm/unistd.h>
#include <linux/elf.h>
#include <linux/ptrace.h>
#include <linux/uio.h>

#include "lib/string.h"
#include "mm/gup.h"
#include "proc/user_registers.h"
#include "sys/syscall.h"

namespace mk {
namespace {

constexpr uint64_t kKnownOptions = PTRACE_O_MASK & ~static_cast<uint64_t>(PTRACE_O_SUSPEND_SECCOMP);
constexpr uint32_t kAuditArchX86_64 = 0xc000003e;

// The task that forked the running one is the tracer, or, if that thread is gone, the first of its process.
long trace_me() {
  SpinlockGuard guard(tasks_lock);
  Task& task = current();
  Process* parent = task.process->parent;
  if (task.trace.tracer != nullptr) return -EPERM;
  if (parent == nullptr || parent->threads == nullptr) return 0;
  Task* tracer = parent->threads;
  for (Task* thread = parent->threads; thread != nullptr; thread = thread->next_thread)
    if (thread->pid == task.process->parent_thread) tracer = thread;
  trace_link_locked(task, *tracer, 0, false);
  return 0;
}

long attach(int pid, bool seize, uint64_t address, uint64_t options) {
  SpinlockGuard guard(tasks_lock);
  Task* task = find_task(pid);
  if (task == nullptr) return find_process(pid) != nullptr ? -EPERM : -ESRCH;
  if (seize && (address != 0 || (options & ~kKnownOptions))) return -EIO;
  if (task->process == current().process || task->trace.tracer != nullptr) return -EPERM;
  trace_link_locked(*task, current(), seize ? options : 0, seize);
  if (!seize) {
    siginfo_t info = {};
    info.si_signo = SIGSTOP;
    info.si_code = SI_KERNEL;
    send_signal_locked(*task, info);
  }
  // One that has stopped with its process stops for the tracer now.
  task->process->continued.wake();
  kick_task(*task);
  return 0;
}

long kill(int pid) {
  SpinlockGuard guard(tasks_lock);
  Task* task = find_task(pid);
  if (task == nullptr || task->trace.tracer != &current()) return -ESRCH;
  siginfo_t info = {};
  info.si_signo = SIGKILL;
  info.si_code = SI_USER;
  info.si_pid = current().tgid;
  send_signal_locked(*task, info);
  return 0;
}

long interrupt(int pid) {
  SpinlockGuard guard(tasks_lock);
  Task* task = find_task(pid);
  if (task == nullptr || task->trace.tracer != &current()) return -ESRCH;
  if (!task->trace.seized) return -EIO;
  __atomic_store_n(&task->trace.trap_wanted, true, __ATOMIC_SEQ_CST);
  if (task->trace.listening) trace_resume_locked(*task, 0);
  kick_task(*task);
  return 0;
}

long resume(Task& task, int request, uint64_t signal) {
  if (signal > kSignals) return -EIO;
  task.trace.syscalls = request == PTRACE_SYSCALL;
  set_single_step(task, request == PTRACE_SINGLESTEP);
  SpinlockGuard guard(tasks_lock);
  trace_resume_locked(task, static_cast<int>(signal));
  return 0;
}

long detach(Task& task, uint64_t signal) {
  if (signal > kSignals) return -EIO;
  set_single_step(task, false);
  SpinlockGuard guard(tasks_lock);
  // It may have been killed meanwhile, and be on its way.
  trace_resume_locked(task, static_cast<int>(signal));
  if (task.trace.tracer == &current()) trace_unlink_locked(task);
  return 0;
}

// Stays stopped with its process, deaf to requests, until that goes on.
long listen(Task& task) {
  SpinlockGuard guard(tasks_lock);
  TraceState& trace = task.trace;
  if (!trace.seized || trace.info == nullptr || trace.info->si_code >> 8 != PTRACE_EVENT_STOP) return -EIO;
  trace.listening = true;
  if (trace.notice_wanted) trace_resume_locked(task, 0);
  return 0;
}

long peek(Task& task, uint64_t address, UserAddress out) {
  uint64_t word = 0;
  Ref<AddressSpace> mm = task.mm;
  if (!mm || access_process_memory(*mm, address, &word, sizeof(word), kFollForce) != sizeof(word))
    return -EIO;
  return put_user(out, word) ? 0 : -EFAULT;
}

long poke(Task& task, uint64_t address, uint64_t word) {
  Ref<AddressSpace> mm = task.mm;
  if (!mm) return -EIO;
  long done = access_process_memory(*mm, address, &word, sizeof(word), kFollForce | kFollWrite);
  return done == sizeof(word) ? 0 : -EIO;
}

bool is_debug_register(uint64_t offset) { return offset >= kUserAreaDebug && offset < kUserAreaDebugEnd; }

long peek_user(Task& task, uint64_t offset, UserAddress out) {
  if (offset % sizeof(uint64_t) != 0 || offset >= kUserAreaBytes) return -EIO;
  uint64_t word = 0;
  if (offset < sizeof(UserRegisters)) {
    UserRegisters registers;
    get_registers(task, registers);
    memcpy(&word, reinterpret_cast<char*>(&registers) + offset, sizeof(word));
  }
  return put_user(out, word) ? 0 : -EFAULT;
}

long poke_user(Task& task, uint64_t offset, uint64_t word) {
  if (offset % sizeof(uint64_t) != 0 || offset >= kUserAreaBytes) return -EIO;
  if (offset < sizeof(UserRegisters)) return set_register(task, offset / sizeof(uint64_t), word);
  if (!is_debug_register(offset) || word == 0) return is_debug_register(offset) ? 0 : -EIO;
  log_unimplemented(__NR_ptrace, "debug registers");
  return -EIO;
}

// The first `bytes` of a register set, to the tracer or from it.
long get_set(Task& task, bool fpu, UserAddress out, size_t bytes) {
  if (fpu) return copy_to_user(out, &task.fpu, bytes) ? 0 : -EFAULT;
  UserRegisters registers;
  get_registers(task, registers);
  return copy_to_user(out, &registers, bytes) ? 0 : -EFAULT;
}

long set_set(Task& task, bool fpu, UserAddress in, size_t bytes) {
  if (fpu) {
    FpuState state = task.fpu;
    if (!copy_from_user(&state, in, bytes)) return -EFAULT;
    uint32_t wanted = state.mxcsr();
    fpu_sanitize(state);
    if (state.mxcsr() != wanted) return -EINVAL;
    task.fpu = state;
    return 0;
  }
  UserRegisters registers;
  if (!copy_from_user(&registers, in, bytes)) return -EFAULT;
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) {
    uint64_t value;
    memcpy(&value, reinterpret_cast<char*>(&registers) + i * sizeof(value), sizeof(value));
    if (long error = set_register(task, i, value); error < 0) return error;
  }
  return 0;
}

// PTRACE_GETREGSET and PTRACE_SETREGSET: as much of the set as the caller has room for.
long register_set(Task& task, bool set, uint64_t type, UserAddress vector) {
  iovec buffer;
  if (!get_user(buffer, vector)) return -EFAULT;
  if (type != NT_PRSTATUS && type != NT_PRFPREG) return type == NT_X86_XSTATE ? -ENODEV : -EINVAL;
  if (buffer.iov_len % sizeof(uint64_t) != 0) return -EINVAL;
  bool fpu = type == NT_PRFPREG;
  buffer.iov_len = min(buffer.iov_len, fpu ? sizeof(FpuState) : sizeof(UserRegisters));
  auto address = reinterpret_cast<uint64_t>(buffer.iov_base);
  long error =
      set ? set_set(task, fpu, address, buffer.iov_len) : get_set(task, fpu, address, buffer.iov_len);
  if (error < 0) return error;
  return put_user(vector, buffer) ? 0 : -EFAULT;
}

long set_options(Task& task, uint64_t options) {
  if (options & ~kKnownOptions) return -EINVAL;
  SpinlockGuard guard(tasks_lock);
  task.trace.options = options;
  return 0;
}

long get_info(Task& task, UserAddress out) {
  if (task.trace.info == nullptr) return -EINVAL;
  siginfo_t info = *task.trace.info;
  return put_user(out, info) ? 0 : -EFAULT;
}

long set_info(Task& task, UserAddress in) {
  siginfo_t info;
  if (!get_user(info, in)) return -EFAULT;
  if (task.trace.info == nullptr) return -EINVAL;
  *task.trace.info = info;
  return 0;
}

long get_mask(Task& task, uint64_t size, UserAddress out) {
  if (size != sizeof(SignalSet)) return -EINVAL;
  // What rt_sigsuspend and the like will go back to.
  SignalSet mask = task.signals.has_saved_mask ? task.signals.saved_mask : task.signals.blocked;
  return put_user(out, mask) ? 0 : -EFAULT;
}

long set_mask(Task& task, uint64_t size, UserAddress in) {
  SignalSet mask;
  if (size != sizeof(mask)) return -EINVAL;
  if (!get_user(mask, in)) return -EFAULT;
  SpinlockGuard guard(tasks_lock);
  task.signals.blocked = mask & ~kUnblockable;
  task.signals.has_saved_mask = false;
  return 0;
}

// PTRACE_GET_SYSCALL_INFO: how many bytes there are, whatever fits of them is copied.
long syscall_info(Task& task, uint64_t size, UserAddress out) {
  UserRegisters registers;
  get_registers(task, registers);
  ptrace_syscall_info info = {};
  info.arch = kAuditArchX86_64;
  info.instruction_pointer = registers.rip;
  info.stack_pointer = registers.rsp;
  size_t bytes = offsetof(ptrace_syscall_info, entry);
  bool at_call = task.trace.info != nullptr && task.trace.info->si_code == (SIGTRAP | 0x80);
  if (at_call && task.trace.message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
    info.op = PTRACE_SYSCALL_INFO_ENTRY;
    info.entry.nr = registers.orig_rax;
    const uint64_t arguments[] = {registers.rdi, registers.rsi, registers.rdx,
                                  registers.r10, registers.r8,  registers.r9};
    memcpy(info.entry.args, arguments, sizeof(arguments));
    bytes = offsetof(ptrace_syscall_info, entry) + sizeof(info.entry);
  } else if (at_call) {
    info.op = PTRACE_SYSCALL_INFO_EXIT;
    info.exit.rval = static_cast<int64_t>(registers.rax);
    info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -4095;
    bytes = offsetof(ptrace_syscall_info, exit.is_error) + 1;
  }
  return copy_to_user(out, &info, min(bytes, size)) ? static_cast<long>(bytes) : -EFAULT;
}

long request_of_stopped(int request, Task& task, uint64_t address, uint64_t data) {
  switch (request) {
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
      return resume(task, request, data);
    case PTRACE_DETACH:
      return detach(task, data);
    case PTRACE_LISTEN:
      return listen(task);
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
      return peek(task, address, data);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
      return poke(task, address, data);
    case PTRACE_PEEKUSR:
      return peek_user(task, address, data);
    case PTRACE_POKEUSR:
      return poke_user(task, address, data);
    case PTRACE_GETREGS:
      return get_set(task, false, data, sizeof(UserRegisters));
    case PTRACE_SETREGS:
      return set_set(task, false, data, sizeof(UserRegisters));
    case PTRACE_GETFPREGS:
      return get_set(task, true, data, sizeof(FpuState));
    case PTRACE_SETFPREGS:
      return set_set(task, true, data, sizeof(FpuState));
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
      return register_set(task, request == PTRACE_SETREGSET, address, data);
    case PTRACE_SETOPTIONS:
      return set_options(task, data);
    case PTRACE_GETEVENTMSG:
      return put_user(data, task.trace.message) ? 0 : -EFAULT;
    case PTRACE_GETSIGINFO:
      return get_info(task, data);
    case PTRACE_SETSIGINFO:
      return set_info(task, data);
    case PTRACE_GETSIGMASK:
      return get_mask(task, address, data);
    case PTRACE_SETSIGMASK:
      return set_mask(task, address, data);
    case PTRACE_GET_SYSCALL_INFO:
      return syscall_info(task, address, data);
  }
  log_unimplemented(__NR_ptrace, "this request");
  return -EIO;
}

}  // namespace

long sys_ptrace(uint64_t request, int pid, uint64_t address, uint64_t data) {
  switch (request) {
    case PTRACE_TRACEME:
      return trace_me();
    case PTRACE_ATTACH:
      return attach(pid, false, 0, 0);
    case PTRACE_SEIZE:
      return attach(pid, true, address, data);
    case PTRACE_KILL:
      return kill(pid);
    case PTRACE_INTERRUPT:
      return interrupt(pid);
  }
  if (request > INT32_MAX) return -EIO;
  FrozenTracee tracee(pid);
  return tracee ? request_of_stopped(static_cast<int>(request), *tracee, address, data) : -ESRCH;
}

}  // namespace mk
