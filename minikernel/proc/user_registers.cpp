// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/user_registers.h"

#include <asm/errno.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"
#include "proc/task.h"

namespace mk {
namespace {

// What a debugger may change: CF PF AF ZF SF TF DF OF NT RF AC (Linux's FLAG_MASK).
constexpr uint64_t kChangeable =
    0x1 | 0x4 | 0x10 | 0x40 | 0x80 | kFlagTrap | 0x400 | 0x800 | 0x4000 | 0x10000 | 0x40000;

constexpr size_t index_of(size_t offset) { return offset / sizeof(uint64_t); }

// The program does not see a trap flag that the debugger has set.
uint64_t flags_of(const Task& task, const TrapFrame& frame) {
  return task.trace.forced_trap_flag ? frame.rflags & ~kFlagTrap : frame.rflags;
}

void set_flags(Task& task, TrapFrame& frame, uint64_t value) {
  if (value & kFlagTrap) {
    task.trace.forced_trap_flag = false;
  } else if (task.trace.forced_trap_flag) {
    value |= kFlagTrap;
  }
  frame.rflags = (frame.rflags & ~kChangeable) | (value & kChangeable);
}

// A number that is not there: what RAX holds is no result of a call, and nothing is repeated.
void set_call_number(TrapFrame& frame, uint64_t value) {
  bool none = static_cast<int64_t>(value) < 0;
  frame.vector = none ? 0 : kSyscallVector;
  frame.error_code = none ? 0 : value;
}

// Linux's set_segment_reg(): any number that only a program could load; whether there is such a segment is
// seen when it is loaded.
long set_selector(uint16_t& selector, uint64_t value) {
  auto wanted = static_cast<uint16_t>(value);
  if (wanted != 0 && (wanted & 3) != 3) return -EIO;
  selector = wanted;
  return 0;
}

// The register in the frame; null: it is none of those that are simply kept there.
uint64_t* plain_register(TrapFrame& frame, size_t index) {
  switch (index) {
    case index_of(offsetof(UserRegisters, rip)):
      return &frame.rip;
    case index_of(offsetof(UserRegisters, rsp)):
      return &frame.rsp;
  }
  // r15 to rdi stand in the same order.
  constexpr size_t kLast = index_of(offsetof(UserRegisters, rdi));
  static_assert(offsetof(TrapFrame, rdi) == offsetof(UserRegisters, rdi));
  return index <= kLast ? &frame.r15 + index : nullptr;
}

}  // namespace

void get_registers(const Task& task, UserRegisters& out) {
  const TrapFrame& frame = user_frame(task);
  memcpy(&out, &frame, offsetof(UserRegisters, orig_rax));
  out.orig_rax = frame.vector == kSyscallVector ? frame.error_code : ~0ul;
  out.rip = frame.rip;
  out.cs = frame.cs;
  out.rflags = flags_of(task, frame);
  out.rsp = frame.rsp;
  out.ss = frame.ss;
  out.fs_base = task.fs_base;
  out.gs_base = task.gs_base;
  out.ds = task.selectors.ds;
  out.es = task.selectors.es;
  out.fs = task.selectors.fs;
  out.gs = task.selectors.gs;
}

long set_register(Task& task, size_t index, uint64_t value) {
  TrapFrame& frame = user_frame(task);
  if (uint64_t* plain = plain_register(frame, index); plain != nullptr) {
    *plain = value;
    return 0;
  }
  switch (index) {
    case index_of(offsetof(UserRegisters, orig_rax)):
      set_call_number(frame, value);
      return 0;
    case index_of(offsetof(UserRegisters, rflags)):
      set_flags(task, frame, value);
      return 0;
    case index_of(offsetof(UserRegisters, cs)):
      return static_cast<uint16_t>(value) == frame.cs ? 0 : -EIO;
    case index_of(offsetof(UserRegisters, ss)):
      return static_cast<uint16_t>(value) == frame.ss ? 0 : -EIO;
    case index_of(offsetof(UserRegisters, ds)):
      return set_selector(task.selectors.ds, value);
    case index_of(offsetof(UserRegisters, es)):
      return set_selector(task.selectors.es, value);
    case index_of(offsetof(UserRegisters, fs)):
      return set_selector(task.selectors.fs, value);
    case index_of(offsetof(UserRegisters, gs)):
      return set_selector(task.selectors.gs, value);
    case index_of(offsetof(UserRegisters, fs_base)):
    case index_of(offsetof(UserRegisters, gs_base)):
      if (value >= kUserEnd) return -EIO;
      (index == index_of(offsetof(UserRegisters, fs_base)) ? task.fs_base : task.gs_base) = value;
      return 0;
  }
  return -EIO;
}

}  // namespace mk
