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
constexpr int kSetSyscallInfo = 0x4212;  // PTRACE_SET_SYSCALL_INFO, newer than the headers

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
    if (bytes != sizeof(FpuState)) return -EINVAL;  // Linux's xfpregs_set takes no part
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
  bool known = type == NT_PRSTATUS || type == NT_PRFPREG || type == NT_X86_XSTATE;
  if (!known || buffer.iov_len % sizeof(uint64_t) != 0) return -EINVAL;
  if (type == NT_X86_XSTATE) return -ENODEV;
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

// The one at `index` of those that are queued for the thread, or (`shared`) for its process.
bool queued_info(const Task& task, bool shared, uint64_t index, siginfo_t& info) {
  SpinlockGuard guard(tasks_lock);
  const QueuedSignal* queued = shared ? task.process->pending.queue : task.signals.pending.queue;
  for (; queued != nullptr && index > 0; --index) queued = queued->next;
  if (queued == nullptr) return false;
  info = queued->info;
  return true;
}

// PTRACE_PEEKSIGINFO: how many of them there were to copy.
long peek_infos(const Task& task, UserAddress arguments, UserAddress out) {
  ptrace_peeksiginfo_args wanted;
  if (!get_user(wanted, arguments)) return -EFAULT;
  if ((wanted.flags & ~PTRACE_PEEKSIGINFO_SHARED) || wanted.nr < 0) return -EINVAL;
  uint64_t count = static_cast<uint64_t>(wanted.nr), done = 0;
  siginfo_t info;
  while (done < count &&
         queued_info(task, wanted.flags & PTRACE_PEEKSIGINFO_SHARED, wanted.off + done, info)) {
    if (!put_user(out + done * sizeof(info), info)) return done > 0 ? static_cast<long>(done) : -EFAULT;
    ++done;
  }
  return static_cast<long>(done);
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

// PTRACE_SYSCALL_INFO_*: what stop at a system call it is in, if in one.
uint8_t syscall_stop(const Task& task) {
  if (task.trace.info == nullptr || task.trace.info->si_code != (SIGTRAP | 0x80))
    return PTRACE_SYSCALL_INFO_NONE;
  return task.trace.message == PTRACE_EVENTMSG_SYSCALL_ENTRY ? PTRACE_SYSCALL_INFO_ENTRY
                                                             : PTRACE_SYSCALL_INFO_EXIT;
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
  info.op = syscall_stop(task);
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    info.entry.nr = registers.orig_rax;
    const uint64_t arguments[] = {registers.rdi, registers.rsi, registers.rdx,
                                  registers.r10, registers.r8,  registers.r9};
    memcpy(info.entry.args, arguments, sizeof(arguments));
    bytes = offsetof(ptrace_syscall_info, entry) + sizeof(info.entry);
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    info.exit.rval = static_cast<int64_t>(registers.rax);
    info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -4095;
    bytes = offsetof(ptrace_syscall_info, exit.is_error) + 1;
  }
  return copy_to_user(out, &info, min(bytes, size)) ? static_cast<long>(bytes) : -EFAULT;
}

void set_register_at(Task& task, size_t offset, uint64_t value) {
  set_register(task, offset / sizeof(uint64_t), value);
}

// PTRACE_SET_SYSCALL_INFO (6.16): number and arguments, or the result. Where it is and who it is stays as it
// is.
long set_syscall_info(Task& task, uint64_t size, UserAddress in) {
  ptrace_syscall_info info;
  if (size < sizeof(info)) return -EINVAL;
  if (!get_user(info, in)) return -EFAULT;
  if (info.pad[0] | info.pad[1] | info.pad[2]) return -EINVAL;  // reserved, flags
  if (info.op != syscall_stop(task)) return -EINVAL;
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    set_register_at(task, offsetof(UserRegisters, rax), static_cast<uint64_t>(info.exit.rval));
    return 0;
  }
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return -EINVAL;
  auto number = static_cast<int64_t>(info.entry.nr);
  if (number != static_cast<int32_t>(number)) return -ERANGE;
  set_register_at(task, offsetof(UserRegisters, orig_rax), info.entry.nr);
  if (number == -1) return 0;  // no call, no arguments
  constexpr size_t kArguments[] = {offsetof(UserRegisters, rdi), offsetof(UserRegisters, rsi),
                                   offsetof(UserRegisters, rdx), offsetof(UserRegisters, r10),
                                   offsetof(UserRegisters, r8),  offsetof(UserRegisters, r9)};
  for (size_t i = 0; i < 6; ++i) set_register_at(task, kArguments[i], info.entry.args[i]);
  return 0;
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
    case kSetSyscallInfo:
      return set_syscall_info(task, address, data);
    case PTRACE_PEEKSIGINFO:
      return peek_infos(task, address, data);
    case PTRACE_ARCH_PRCTL:
      return arch_prctl(task, static_cast<int>(data), address);
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
