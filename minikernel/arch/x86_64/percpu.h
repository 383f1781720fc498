// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a CPU has for itself. While the kernel runs, its GS base points here; entry.S knows the first three
// offsets. A task that slept may run on another CPU: this_cpu() is asked again after anything that may sleep.
#pragma once

#include <stdint.h>

#include "abi/trace_port.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/tlb.h"
#include "mm/frame_allocator.h"
#include "mm/vmstat.h"

namespace mk {

struct Task;

inline constexpr unsigned kMaxCpus = 64;

struct PerCpu {
  PerCpu* self;
  uint64_t kernel_stack;        // where SYSCALL and exceptions of user code start
  uint64_t user_stack_scratch;  // RSP of the program between SYSCALL and its saving
  Task* current;                // the idle task when there is nothing to run; null before there is one
  unsigned index;
  uint32_t apic_id;
  bool online;      // set by the CPU itself once it can take interrupts
  uint32_t hellos;  // kHelloVector interrupts it took

  // The scheduler's (proc/scheduler.cpp).
  Task* idle;
  bool need_resched;     // the running task is to give way before it returns to user code
  uint64_t slice_start;  // now_ns() when `current` got the CPU
  bool settled;          // idles, and nothing is left of the task that ran before
  bool slice_armed;      // the timer will come when its slice is over

  CpuTlb tlb;
  FrameCache frames;
  FrameDropLog dropped;
  VmEventCounts vm_events;
  DescriptorTables tables;
  alignas(16) trace_abi::TraceRecord trace_record;
};

inline PerCpu& this_cpu() {
  PerCpu* self;
  asm volatile("mov %%gs:0, %0" : "=r"(self));
  return *self;
}

PerCpu& cpu(unsigned index);
unsigned cpu_count();  // those that the firmware told of, up to kMaxCpus

}  // namespace mk
