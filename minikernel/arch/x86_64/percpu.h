// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a CPU has for itself. While the kernel runs, its GS base points here; entry.S knows the first three
// offsets.
#pragma once

#include <stdint.h>

#include "abi/trace_port.h"
#include "arch/x86_64/gdt.h"
#include "mm/frame_allocator.h"

namespace mk {

struct Task;

inline constexpr unsigned kMaxCpus = 64;

struct PerCpu {
  PerCpu* self;
  uint64_t kernel_stack;        // where SYSCALL and exceptions of user code start
  uint64_t user_stack_scratch;  // RSP of the program between SYSCALL and its saving
  Task* current;
  unsigned index;
  uint32_t apic_id;
  bool online;      // set by the CPU itself once it can take interrupts
  uint32_t hellos;  // kHelloVector interrupts it took
  FrameCache frames;
  DescriptorTables tables;
  alignas(16) trace_abi::TraceRecord trace_record;
};

inline PerCpu& this_cpu() {
  PerCpu* self;
  asm("mov %%gs:0, %0" : "=r"(self));
  return *self;
}

PerCpu& cpu(unsigned index);
unsigned cpu_count();  // those that the firmware told of, up to kMaxCpus

}  // namespace mk
