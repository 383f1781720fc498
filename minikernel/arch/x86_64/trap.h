// SPDX-License-Identifier: GPL-2.0-or-later
//
// The way into the kernel and out of it. trap.cpp sorts what comes in; the functions in the middle are
// what the rest of the kernel does about it (proc/exceptions.cpp, sys/). Interrupts are off in all of them.
#pragma once

#include <stdint.h>

#include "arch/x86_64/trap_frame.h"

namespace mk {

// Any exception of user code but #PF.
void handle_user_exception(TrapFrame& frame);
// A page fault of user code, or of a user-copy routine at a user address. False when a user-copy routine has
// to fail.
bool handle_page_fault(TrapFrame& frame, uint64_t address);
void handle_syscall(TrapFrame& frame);
// Before every return to user code: signals and the like.
void return_to_user_work(TrapFrame& frame);
// The local APIC's timer, and the request of another CPU to look at what runs here.
void handle_timer();
void handle_reschedule();

// Runs user code with these registers; the frame may be anywhere.
[[noreturn]] void enter_user(TrapFrame& frame);

// The interrupt that CPUs send one another at boot, to see that they can.
inline constexpr uint8_t kHelloVector = 0xf0;
inline constexpr uint8_t kShootdownVector = 0xf1;   // arch/x86_64/tlb.h
inline constexpr uint8_t kRescheduleVector = 0xf2;  // proc/scheduler.h
inline constexpr uint8_t kTimerVector = 0xf3;       // proc/timer.h
inline constexpr uint8_t kDrainVector = 0xf4;       // frame_put_later()
// 16 vectors for the masked interrupt controllers: numbers 7 and 15 can still come, spurious.
inline constexpr uint8_t kPicVector = 0x20;
inline constexpr uint8_t kSpuriousVector = 0xff;

// For boot: the interrupt table, shared by all CPUs; and what makes a CPU use it, and SYSCALL.
void make_traps();
void load_traps();

}  // namespace mk
