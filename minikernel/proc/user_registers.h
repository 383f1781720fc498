// SPDX-License-Identifier: GPL-2.0-or-later
//
// A stopped task's registers as debuggers know them: struct user_regs_struct and its place at the start of
// struct user (<sys/user.h>, Linux arch/x86/kernel/ptrace.c). CS and SS are what they are, because only
// 64-bit user mode exists; the other selectors are kept for whoever looks (arch/x86_64/selectors.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

struct Task;

struct UserRegisters {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t orig_rax;  // the number of the system call; -1: the task is in none
  uint64_t rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
inline constexpr size_t kUserRegisters = sizeof(UserRegisters) / sizeof(uint64_t);
static_assert(kUserRegisters == 27);

// struct user: the registers, those of the FPU, sizes and addresses, and the debug registers.
inline constexpr uint64_t kUserAreaBytes = 928;
inline constexpr uint64_t kUserAreaDebug = 848;
inline constexpr uint64_t kUserAreaDebugEnd = kUserAreaDebug + 8 * sizeof(uint64_t);

void get_registers(const Task& task, UserRegisters& out);
// Register `index` of the struct. -EIO: a value that it cannot have.
long set_register(Task& task, size_t index, uint64_t value);

}  // namespace mk
