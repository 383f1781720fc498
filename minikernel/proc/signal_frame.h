// SPDX-License-Identifier: GPL-2.0-or-later
//
// The frame a signal handler runs on: Linux's struct rt_sigframe (arch/x86/include/asm/sigframe.h), which C
// libraries, unwinders and debuggers know by heart. From the stack pointer up at the handler's first
// instruction:
//
//   pretcode   the restorer's address: the handler's return goes there, and it calls rt_sigreturn
//   uc         struct ucontext: registers, alternate stack, the mask to restore
//   info       siginfo_t
//   (gap)      so that what follows is 64-byte aligned
//   fpstate    512 bytes as FXSAVE writes them (no XSAVE: the kernel does not set OSXSAVE)
#pragma once

#include <stdint.h>

#include "arch/x86_64/trap_frame.h"
#include "proc/signal.h"

namespace mk {

// Writes the frame and points `frame` at the handler. False when the user stack cannot take it.
bool push_signal_frame(Task& task, TrapFrame& frame, const SignalAction& action, const siginfo_t& info);

// Whether `stack_pointer` lies on the alternate stack; never when it disarms itself (SS_AUTODISARM).
bool on_alternate_stack(const SignalState& state, uint64_t stack_pointer);
// SS_DISABLE, SS_ONSTACK or 0.
int alternate_stack_status(const SignalState& state, uint64_t stack_pointer);

}  // namespace mk
