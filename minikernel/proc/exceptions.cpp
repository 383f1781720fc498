// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exceptions of user code, and page faults at user addresses, turned into what Linux makes of them
// (arch/x86/kernel/ traps.c, arch/x86/mm/fault.c): a repaired page table, or a signal with its code and
// address.
#include <asm/siginfo.h>

#include "arch/x86_64/fpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/trace.h"
#include "arch/x86_64/trap.h"
#include "lib/log.h"
#include "mm/address_space.h"
#include "mm/reclaim.h"
#include "mm/vmstat.h"
#include "proc/signal.h"
#include "proc/task.h"

namespace mk {
namespace {

// SDM Vol. 3, table 6-1.
enum Vector : uint64_t {
  kDivideError = 0,
  kDebug = 1,
  kBreakpoint = 3,
  kOverflow = 4,
  kBoundRange = 5,
  kInvalidOpcode = 6,
  kInvalidTss = 10,
  kSegmentNotPresent = 11,
  kStackFault = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kX87Error = 16,
  kAlignmentCheck = 17,
  kSimdError = 19,
};

// Page-fault error code, SDM Vol. 3, 4.7.
constexpr uint64_t kErrorPresent = 1;
constexpr uint64_t kErrorWrite = 2;
constexpr uint64_t kErrorFetch = 16;

const char* name_of(uint64_t vector) {
  switch (vector) {
    case kDivideError:
      return "divide error";
    case kDebug:
      return "debug exception";
    case kBreakpoint:
      return "breakpoint";
    case kOverflow:
      return "overflow";
    case kBoundRange:
      return "bound range exceeded";
    case kInvalidOpcode:
      return "invalid opcode";
    case kInvalidTss:
      return "invalid TSS";
    case kSegmentNotPresent:
      return "segment not present";
    case kStackFault:
      return "stack fault";
    case kGeneralProtection:
      return "general protection";
    case kX87Error:
      return "x87 error";
    case kAlignmentCheck:
      return "alignment check";
    case kSimdError:
      return "SIMD error";
    default:
      return "exception";
  }
}

// Which of the unmasked x87 or SSE exceptions it was (Linux's fpu__exception_code). Bits of the status words:
// 0 invalid, 1 denormal, 2 divide by zero, 3 overflow, 4 underflow, 5 precision.
int float_code(uint32_t unmasked) {
  if (unmasked & 0x01) return FPE_FLTINV;
  if (unmasked & 0x04) return FPE_FLTDIV;
  if (unmasked & 0x08) return FPE_FLTOVF;
  if (unmasked & 0x12) return FPE_FLTUND;
  if (unmasked & 0x20) return FPE_FLTRES;
  return 0;
}

void float_error(Task& task, const TrapFrame& frame) {
  fpu_save(task.fpu);
  uint32_t unmasked = frame.vector == kX87Error ? task.fpu.status_word() & ~task.fpu.control_word()
                                                : task.fpu.mxcsr() & ~(task.fpu.mxcsr() >> 7);
  int code = float_code(unmasked & 0x3f);
  if (code != 0) force_signal(task, SIGFPE, code, frame.rip);
}

void debug_trap(Task& task, TrapFrame& frame) {
  uint64_t dr6;
  asm volatile("mov %%dr6, %0" : "=r"(dr6));
  asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
  constexpr uint64_t kSingleStep = 1ul << 14;
  force_signal(task, SIGTRAP, dr6 & kSingleStep ? TRAP_TRACE : TRAP_BRKPT, frame.rip);
}

}  // namespace

void handle_user_exception(TrapFrame& frame) {
  Task& task = current();
  task.signals.trap_number = frame.vector;
  task.signals.trap_error = frame.error_code;
  task.signals.cause = name_of(frame.vector);
  switch (frame.vector) {
    case kDivideError:
      return force_signal(task, SIGFPE, FPE_INTDIV, frame.rip);
    case kDebug:
      return debug_trap(task, frame);
    case kBreakpoint:
      return force_signal(task, SIGTRAP, SI_KERNEL, 0);
    case kInvalidOpcode:
      return force_signal(task, SIGILL, ILL_ILLOPN, frame.rip);
    case kSegmentNotPresent:
    case kStackFault:
      return force_signal(task, SIGBUS, SI_KERNEL, 0);
    case kAlignmentCheck:
      return force_signal(task, SIGBUS, BUS_ADRALN, 0);
    case kX87Error:
    case kSimdError:
      return float_error(task, frame);
    case kOverflow:
    case kBoundRange:
    case kInvalidTss:
    case kGeneralProtection:
    default:
      return force_signal(task, SIGSEGV, SI_KERNEL, 0);
  }
}

bool handle_page_fault(TrapFrame& frame, uint64_t address) {
  Task& task = current();
  // By CPL, not by the error code's U/S: a program's segment load reads a descriptor table as the supervisor.
  bool from_user = frame.from_user();
  if (!from_user && task.takes_no_faults) return false;
  Access access = frame.error_code & kErrorWrite   ? Access::kWrite
                  : frame.error_code & kErrorFetch ? Access::kFetch
                                                   : Access::kRead;
  UserfaultWait wait(address, from_user);
  AddressSpace::FaultResult result =
      task.mm->handle_page_fault(address, access, frame.error_code & kErrorPresent, wait);

  bool good = result.outcome != FaultOutcome::kSigsegv && result.outcome != FaultOutcome::kSigbus &&
              result.outcome != FaultOutcome::kPoisoned && result.outcome != FaultOutcome::kOutOfMemory;
  bool waits = result.outcome == FaultOutcome::kUserfault;
  if (!waits) count_vm_event(VmEvent::kPageFault);  // the one that ends it counts
  if (good && !waits) ++task.minor_faults;
  if (result.outcome == FaultOutcome::kOutOfMemory) {
    // Somebody is killed, this task perhaps; if not, it tries again when that one has had its turn.
    // A copy of the kernel's own is repeated from here, so that turn has to be now.
    if (out_of_memory()) {
      this_cpu().need_resched = true;
      if (!from_user) let_others_run();
    }
  } else if (!good && from_user) {
    // A program learns nothing about kernel addresses: all look protected (Linux's sanitize_error_code).
    bool kernel_address = address >= kUserEnd;
    task.signals.trap_number = kPageFault;
    task.signals.trap_error = frame.error_code | (kernel_address ? kErrorPresent : 0);
    task.signals.trap_address = address;
    task.signals.cause = access == Access::kWrite   ? "page fault, write to"
                         : access == Access::kFetch ? "page fault, fetch from"
                                                    : "page fault, read of";
    bool bus = result.outcome == FaultOutcome::kSigbus || result.outcome == FaultOutcome::kPoisoned;
    force_signal(task, bus ? SIGBUS : SIGSEGV, result.si_code, address);
  } else if (!good) {
    result.outcome = FaultOutcome::kKernelFixup;
  }
  trace(trace_abi::TraceType::kFaultOutcome, task.pid, address, static_cast<uint64_t>(result.outcome),
        frame.error_code);
  // A signal ends the program's waiting; the access is repeated when it has been dealt with. A system call
  // cannot be left in the middle of a copy but for good.
  if (waits) return wait.sleep(from_user ? Sleep::kInterruptible : Sleep::kKillable) == 0 || from_user;
  return good || from_user || (result.outcome == FaultOutcome::kOutOfMemory && !kill_pending(task));
}

void return_to_user_work(TrapFrame& frame) {
  close_dropped_files();
  schedule_if_needed();
  const Task& task = current();
  if (signal_pending(task) || task.signals.has_saved_mask || was_interrupted(frame)) deliver_signals(frame);
}

void handle_timer() { run_timers(); }
void handle_reschedule() { reschedule_interrupt(); }

}  // namespace mk
