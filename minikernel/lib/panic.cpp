// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdint.h>

#include "abi/trace_port.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trap_frame.h"
#include "arch/x86_64/uart.h"
#include "lib/assert.h"
#include "lib/log.h"

namespace mk {
namespace {

bool panicking;

// To the console and to the log, without the log's lock: who holds it may be the one that panics.
[[gnu::format(printf, 1, 2)]] void report(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vformat_text(line, sizeof(line), format, arguments);
  va_end(arguments);
  for (const char* at = line; *at != 0; ++at) {
    uart_put(static_cast<uint8_t>(*at));
    debug_put(static_cast<uint8_t>(*at));
  }
}

void report_registers(const TrapFrame& f) {
  report("  vector %lu error %lx cr2 %016lx cr3 %016lx\n", f.vector, f.error_code, read_cr2(), read_cr3());
  report("  rip %016lx cs %02lx rflags %06lx rsp %016lx ss %02lx\n", f.rip, f.cs, f.rflags, f.rsp, f.ss);
  report("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f.rax, f.rbx, f.rcx, f.rdx);
  report("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f.rsi, f.rdi, f.rbp, f.r8);
  report("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f.r9, f.r10, f.r11, f.r12);
  report("  r13 %016lx r14 %016lx r15 %016lx\n", f.r13, f.r14, f.r15);
}

// Return addresses along the frame pointers; stops where one leaves the kernel's image and stacks.
void report_back_trace(uint64_t frame_pointer) {
  constexpr int kMaxDepth = 24;
  report("  called from");
  for (int depth = 0; depth < kMaxDepth && frame_pointer >= kKernelImageBase && frame_pointer % 8 == 0;
       ++depth) {
    const auto* frame = reinterpret_cast<const uint64_t*>(frame_pointer);
    report(" %016lx", frame[1]);
    if (frame[0] <= frame_pointer) break;
    frame_pointer = frame[0];
  }
  report("\n");
}

[[noreturn]] void vpanic(const TrapFrame* frame, uint64_t frame_pointer, const char* format,
                         va_list arguments) {
  if (__atomic_exchange_n(&panicking, true, __ATOMIC_ACQ_REL)) machine_exit(trace_abi::kExitPanic);
  char message[256];
  vformat_text(message, sizeof(message), format, arguments);
  report("minikernel panic on cpu %u: %s\n", this_cpu().index, message);
  if (frame != nullptr) report_registers(*frame);
  report_back_trace(frame_pointer);
  machine_exit(trace_abi::kExitPanic);
}

}  // namespace

void panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vpanic(nullptr, reinterpret_cast<uint64_t>(__builtin_frame_address(0)), format, arguments);
}

void panic_at(const TrapFrame& frame, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vpanic(&frame, frame.rbp, format, arguments);
}

// What the compiler calls for a pure virtual function, and for the deleting destructors it makes and nobody
// calls.
extern "C" [[noreturn]] void __cxa_pure_virtual() { panic("a pure virtual function was called"); }
extern "C" int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }

}  // namespace mk

void* __dso_handle;
void operator delete(void*) noexcept { mk::panic("operator delete: objects of the kernel end by destroy()"); }
void operator delete(void* object, unsigned long) noexcept { operator delete(object); }
