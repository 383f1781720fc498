// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/trap.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/user_copy.h"
#include "lib/assert.h"
#include "lib/log.h"

extern "C" char trap_entries[], syscall_entry[], return_from_trap[];

namespace mk {
namespace {

constexpr unsigned kEntryBytes = 16;
constexpr unsigned kVectors = 256;
constexpr uint64_t kGeneralProtection = 13;
constexpr uint64_t kPageFault = 14;
constexpr uint64_t kFirstInterrupt = 32;

// SDM Vol. 3, 6.14.1.
struct IdtGate {
  uint16_t offset_low;
  uint16_t selector;
  uint8_t ist;
  uint8_t attributes;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
static_assert(sizeof(IdtGate) == 16);

IdtGate idt[kVectors];

// INT3 and INTO may be used by programs; all else they get #GP for.
constexpr bool user_may_call(unsigned vector) { return vector == 3 || vector == 4; }

bool canonical(uint64_t linear) {
  int shift = five_level_paging ? 64 - 57 : 64 - 48;
  return static_cast<uint64_t>(static_cast<int64_t>(linear << shift) >> shift) == linear;
}

// IRETQ to a RIP that is no address would fault in the kernel; the program gets the fault here instead.
void leave_to_user(TrapFrame& frame) {
  while (true) {
    return_to_user_work(frame);
    if (canonical(frame.rip)) break;
    frame.vector = kGeneralProtection;
    frame.error_code = 0;
    handle_user_exception(frame);
  }
  KASSERT(frame.from_user() && (frame.rflags & kFlagInterrupt));
}

void handle_interrupt(TrapFrame& frame) {
  switch (frame.vector) {
    case kHelloVector:
      __atomic_fetch_add(&this_cpu().hellos, 1, __ATOMIC_RELEASE);
      return apic_end_of_interrupt();
    case kShootdownVector:
      apic_end_of_interrupt();
      return answer_tlb_requests();
    case kRescheduleVector:
      apic_end_of_interrupt();
      return handle_reschedule();
    case kTimerVector:
      apic_end_of_interrupt();
      return handle_timer();
    case kDrainVector:
      apic_end_of_interrupt();
      return drain_dropped_frames();
    case kPicVector + 7:
    case kPicVector + 15:
    case kSpuriousVector:
      return;  // these want no end of interrupt
  }
  panic_at(frame, "unexpected interrupt %lu", frame.vector);
}

void handle_kernel_exception(TrapFrame& frame) {
  if (frame.vector == kPageFault) {
    uint64_t address = read_cr2();
    uint64_t fixup = user_copy_fixup(frame.rip);
    if (fixup == 0 || address >= kUserEnd) panic_at(frame, "page fault in the kernel at %lx", address);
    if (!handle_page_fault(frame, address)) frame.rip = fixup;
    return;
  }
  panic_at(frame, "exception %lu in the kernel", frame.vector);
}

}  // namespace

extern "C" void handle_trap(TrapFrame& frame) {
  if (frame.vector >= kFirstInterrupt) {
    handle_interrupt(frame);
  } else if (!frame.from_user()) {
    handle_kernel_exception(frame);
  } else if (frame.vector == kPageFault) {
    handle_page_fault(frame, read_cr2());
  } else {
    handle_user_exception(frame);
  }
  if (frame.from_user()) leave_to_user(frame);
}

extern "C" void handle_fatal_trap(TrapFrame& frame) {
  const char* name = frame.vector == 2 ? "NMI" : frame.vector == 8 ? "double fault" : "machine check";
  panic_at(frame, "%s", name);
}

// True when SYSRET can restore the frame: it takes RIP from RCX and RFLAGS from R11, sets fixed selectors,
// and on Intel's processors faults in the kernel when RCX is no user address.
extern "C" bool handle_syscall_trap(TrapFrame& frame) {
  handle_syscall(frame);
  leave_to_user(frame);
  return frame.rcx == frame.rip && frame.r11 == frame.rflags && frame.cs == kUserCodeSelector &&
         frame.ss == kUserDataSelector && frame.rip < kUserEnd && !(frame.rflags & kFlagTrap);
}

[[noreturn]] void enter_user(TrapFrame& frame) {
  leave_to_user(frame);
  asm volatile("mov %0, %%rsp; jmp return_from_trap" : : "r"(&frame) : "memory");
  __builtin_unreachable();
}

void make_traps() {
  for (unsigned vector = 0; vector < kVectors; ++vector) {
    auto entry = reinterpret_cast<uint64_t>(trap_entries) + vector * kEntryBytes;
    uint8_t ist = vector == 8 ? kIstDoubleFault : vector == 2 || vector == 18 ? kIstNmi : 0;
    idt[vector] = {.offset_low = static_cast<uint16_t>(entry),
                   .selector = kKernelCodeSelector,
                   .ist = ist,
                   .attributes = static_cast<uint8_t>(user_may_call(vector) ? 0xee : 0x8e),  // interrupt gate
                   .offset_middle = static_cast<uint16_t>(entry >> 16),
                   .offset_high = static_cast<uint32_t>(entry >> 32),
                   .reserved = 0};
  }
}

void load_traps() {
  struct [[gnu::packed]] {
    uint16_t limit;
    const void* base;
  } pointer = {sizeof(idt) - 1, idt};
  asm volatile("lidt %0" : : "m"(pointer));
  // SYSRET takes CS from bits 63-48 plus 16 and SS plus 8 (SDM Vol. 3, 5.8.8).
  write_msr(kMsrStar, static_cast<uint64_t>(kUserCodeSelector - 16) << 48 |
                          static_cast<uint64_t>(kKernelCodeSelector) << 32);
  write_msr(kMsrLstar, reinterpret_cast<uint64_t>(syscall_entry));
  write_msr(kMsrFmask, 0x47700);  // AC, NT, IOPL, DF, IF, TF: Linux's set without the status flags
}

}  // namespace mk
