// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/signal_frame.h"

#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <stddef.h>

#include "arch/x86_64/gdt.h"
#include "arch/x86_64/memory_layout.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/user_memory.h"
#include "proc/task.h"

namespace mk {
namespace {

constexpr uint64_t kRedZone = 128;
constexpr uint64_t kFpStateSize = 512;
constexpr uint64_t kFpStateAlign = 64;

struct RtSignalFrame {
  uint64_t restorer;
  ucontext uc;
  siginfo_t info;
};
static_assert(sizeof(FpuState) == kFpStateSize);

constexpr uint64_t kTrapFlag = 1ul << 8;
constexpr uint64_t kDirectionFlag = 1ul << 10;
constexpr uint64_t kResumeFlag = 1ul << 16;
// What rt_sigreturn takes from the frame (Linux's FIX_EFLAGS): AC OF DF TF SF ZF AF PF CF RF.
constexpr uint64_t kRestorableFlags = 1ul << 18 | 1ul << 11 | kDirectionFlag | kTrapFlag | 1ul << 7 |
                                      1ul << 6 | 1ul << 4 | 1ul << 2 | 1ul << 0 | kResumeFlag;

stack_t saved_stack(const SignalState& state) {
  return stack_t{.ss_sp = reinterpret_cast<void*>(state.alternate_stack),
                 .ss_flags = static_cast<int>(state.alternate_flags),
                 .ss_size = state.alternate_size};
}

void save_registers(sigcontext& context, const TrapFrame& frame, const SignalState& state) {
  context.r8 = frame.r8;
  context.r9 = frame.r9;
  context.r10 = frame.r10;
  context.r11 = frame.r11;
  context.r12 = frame.r12;
  context.r13 = frame.r13;
  context.r14 = frame.r14;
  context.r15 = frame.r15;
  context.rdi = frame.rdi;
  context.rsi = frame.rsi;
  context.rbp = frame.rbp;
  context.rbx = frame.rbx;
  context.rdx = frame.rdx;
  context.rax = frame.rax;
  context.rcx = frame.rcx;
  context.rsp = frame.rsp;
  context.rip = frame.rip;
  context.eflags = frame.rflags;
  context.cs = static_cast<uint16_t>(frame.cs);
  context.ss = static_cast<uint16_t>(frame.ss);
  context.err = state.trap_error;
  context.trapno = state.trap_number;
  context.oldmask = state.blocked;
  context.cr2 = state.trap_address;
}

void restore_registers(TrapFrame& frame, const sigcontext& context) {
  frame.r8 = context.r8;
  frame.r9 = context.r9;
  frame.r10 = context.r10;
  frame.r11 = context.r11;
  frame.r12 = context.r12;
  frame.r13 = context.r13;
  frame.r14 = context.r14;
  frame.r15 = context.r15;
  frame.rdi = context.rdi;
  frame.rsi = context.rsi;
  frame.rbp = context.rbp;
  frame.rbx = context.rbx;
  frame.rdx = context.rdx;
  frame.rax = context.rax;
  frame.rcx = context.rcx;
  frame.rsp = context.rsp;
  frame.rip = context.rip;
  frame.rflags = (frame.rflags & ~kRestorableFlags) | (context.eflags & kRestorableFlags);
  // Only 64-bit user mode exists: the selectors are ours whatever the frame says.
  frame.cs = kUserCodeSelector;
  frame.ss = kUserDataSelector;
}

}  // namespace

bool on_alternate_stack(const SignalState& state, uint64_t stack_pointer) {
  if (state.alternate_flags & SS_AUTODISARM) return false;
  return stack_pointer > state.alternate_stack &&
         stack_pointer - state.alternate_stack <= state.alternate_size;
}

int alternate_stack_status(const SignalState& state, uint64_t stack_pointer) {
  if (state.alternate_size == 0) return SS_DISABLE;
  return on_alternate_stack(state, stack_pointer) ? SS_ONSTACK : 0;
}

bool push_signal_frame(Task& task, TrapFrame& frame, const SignalAction& action, const siginfo_t& info) {
  // Without a restorer there is no way back (Linux refuses such handlers on x86-64 too).
  if (!(action.flags & SA_RESTORER)) return false;
  SignalState& state = task.signals;
  uint64_t top = frame.rsp - kRedZone;
  bool nested = on_alternate_stack(state, frame.rsp);
  bool switches = (action.flags & SA_ONSTACK) && alternate_stack_status(state, top) == 0;
  if (switches) top = state.alternate_stack + state.alternate_size;
  uint64_t fp_address = (top - kFpStateSize) & ~(kFpStateAlign - 1);
  uint64_t address = ((fp_address - sizeof(RtSignalFrame)) & ~15ul) - 8;
  // A frame that leaves the alternate stack at its low end would write over what lies below.
  if ((nested || switches) && (address <= state.alternate_stack || address > top)) return false;
  if (address >= kUserEnd) return false;

  RtSignalFrame built;
  memset(&built, 0, sizeof(built));
  built.restorer = action.restorer;
  built.info = info;
  built.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
  built.uc.uc_stack = saved_stack(state);
  save_registers(built.uc.uc_mcontext, frame, state);
  built.uc.uc_mcontext.fpstate = reinterpret_cast<_fpstate*>(fp_address);
  built.uc.uc_sigmask = state.has_saved_mask ? state.saved_mask : state.blocked;
  fpu_save(task.fpu);
  if (!copy_to_user(fp_address, &task.fpu, kFpStateSize)) return false;
  if (!copy_to_user(address, &built, sizeof(built))) return false;

  if (state.alternate_flags & SS_AUTODISARM) {
    state.alternate_stack = state.alternate_size = 0;
    state.alternate_flags = SS_DISABLE;
  }
  frame.rdi = static_cast<uint64_t>(info.si_signo);
  frame.rsi = address + offsetof(RtSignalFrame, info);
  frame.rdx = address + offsetof(RtSignalFrame, uc);
  frame.rax = 0;  // variadic handlers: no vector registers
  frame.rsp = address;
  frame.rip = action.handler;
  frame.cs = kUserCodeSelector;
  frame.ss = kUserDataSelector;
  frame.rflags &= ~(kDirectionFlag | kResumeFlag | kTrapFlag);
  fpu_init(task.fpu);
  fpu_restore(task.fpu);
  return true;
}

long do_rt_sigreturn(TrapFrame& frame) {
  Task& task = current();
  RtSignalFrame saved;
  uint64_t address = frame.rsp - 8;  // the handler's `ret` took the restorer off
  bool good = get_user(saved, address);
  if (good) {
    frame.vector = 0;  // what RAX holds from now on is no result of this call
    set_blocked(task, saved.uc.uc_sigmask);
    restore_registers(frame, saved.uc.uc_mcontext);
    uint64_t fp_address = reinterpret_cast<uint64_t>(saved.uc.uc_mcontext.fpstate);
    if (fp_address == 0) {
      fpu_init(task.fpu);
    } else {
      // Not into the task's own: should the copy sleep, that is where the state in the CPU goes.
      FpuState restored;
      good = copy_from_user(&restored, fp_address, kFpStateSize);
      if (!good) fpu_init(restored);
      task.fpu = restored;
    }
    fpu_sanitize(task.fpu);
    fpu_restore(task.fpu);
  }
  if (!good) {
    log("%s[%d]: bad frame in rt_sigreturn: sp %lx", task.name, task.pid, frame.rsp);
    task.signals.cause = "rt_sigreturn to no signal frame";
    force_signal(task, SIGSEGV, SI_KERNEL, 0);
    return 0;
  }
  // A bad alternate stack in the frame is not an error, as in Linux's restore_altstack.
  do_sigaltstack(task, &saved.uc.uc_stack, nullptr, frame.rsp);
  return static_cast<long>(frame.rax);
}

}  // namespace mk
