// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/kernel_entry.h"

#include <fmt/format.h>

#include "trace/system_call_names.h"
#include "x86/event_delivery.h"

namespace mmuscope::debug {
namespace {

constexpr uint64_t kSyscallVector = 256, kPageFault = 14, kFirstInterrupt = 32, kEntryBytes = 16;
constexpr uint64_t kVectorBelowCfa = 7 * 8, kErrorCodeBelowCfa = 6 * 8;

std::string name_of(uint64_t vector, std::optional<uint64_t> system_call) {
  if (vector == kSyscallVector)
    return system_call ? fmt::format("<system call {}>", trace::system_call_name(*system_call))
                       : "<system call>";
  if (vector == kPageFault) return "<page fault>";
  if (vector >= kFirstInterrupt) return fmt::format("<interrupt 0x{:x}>", vector);
  return fmt::format("<exception {}>", x86::vector_name(static_cast<uint8_t>(vector)));
}

}  // namespace

bool is_kernel_entry(const Symbols& symbols, uint64_t address) {
  const auto symbol = symbols.at(address);
  if (!symbol) return false;
  for (const char* name : {"trap_entries", "trap_entry", "fatal_entry", "return_from_trap", "syscall_entry"})
    if (symbol->name == name) return true;
  return false;
}

std::string kernel_entered_by(const Frame& frame, uint64_t cfa, const CpuMemory& memory,
                              const Symbols& symbols) {
  const auto symbol = symbols.at(frame.lookup());
  if (symbol && symbol->name == "syscall_entry") {
    const uint64_t number = cfa - kErrorCodeBelowCfa;
    return name_of(kSyscallVector, frame.sp() <= number ? memory.word(number) : std::nullopt);
  }
  if (symbol && symbol->name == "trap_entries")  // not pushed yet; one entry a vector
    return name_of((frame.lookup() - symbol->address) / kEntryBytes, {});
  return name_of(memory.word(cfa - kVectorBelowCfa).value_or(kSyscallVector),
                 memory.word(cfa - kErrorCodeBelowCfa));
}

}  // namespace mmuscope::debug
