// SPDX-License-Identifier: GPL-2.0-or-later
//
// The registers of interrupted code, as entry.S pushes them: for exceptions, interrupts and SYSCALL alike.
#pragma once

#include <stdint.h>

namespace mk {

struct TrapFrame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t vector;      // kSyscallVector: SYSCALL
  uint64_t error_code;  // 0 for exceptions without one; for SYSCALL the system call's number
  uint64_t rip, cs, rflags, rsp, ss;

  bool from_user() const { return (cs & 3) != 0; }
};
static_assert(sizeof(TrapFrame) == 22 * 8);

inline constexpr uint64_t kSyscallVector = 256;

// RFLAGS, SDM Vol. 1, 3.4.3.
inline constexpr uint64_t kFlagReserved1 = 1ul << 1;
inline constexpr uint64_t kFlagTrap = 1ul << 8;
inline constexpr uint64_t kFlagInterrupt = 1ul << 9;

}  // namespace mk
