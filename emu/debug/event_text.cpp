// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/event_text.h"

#include <fmt/format.h>

#include <cstring>

#include "trace/printers.h"
#include "trace/system_call_names.h"
#include "x86/paging_entry.h"

namespace mmuscope::debug {
namespace {

using trace_abi::TraceType;

std::string text_of(const trace::PageFault& event, const std::string& where) {
  const x86::PageFault& fault = event.fault;
  std::string text =
      fmt::format("page fault, {} {} of 0x{:x} at {}: {}", fault.access.user ? "user" : "kernel",
                  x86::access_type_name(fault.access.type), fault.access.linear, where,
                  x86::fault_reason_name(fault.reason));
  if (fault.level != 0)
    text +=
        fmt::format(", {} entry 0x{:x} ({})", x86::pte::level_name(fault.level), fault.entry_value,
                    trace::describe_entry(fault.entry_value, x86::maps_page(fault.entry_value, fault.level)));
  return text;
}

std::string entry_of(const x86::TlbEntry& entry) {
  return fmt::format("0x{:x} -> 0x{:x} ({}{}{}{}, PCID {})", entry.page.linear_base, entry.page.physical_base,
                     entry.page.user ? "user" : "kernel", entry.page.writable ? " writable" : "",
                     entry.page.dirty ? " dirty" : "", entry.page.global ? " global" : "", entry.pcid);
}

std::string text_of(const trace::Tracepoint& point) {
  const trace_abi::TraceRecord& record = point.record;
  const auto& args = record.args;
  const std::string text(record.text, strnlen(record.text, sizeof record.text));
  switch (point.type()) {
    case TraceType::kTaskSwitch:
      return fmt::format("task switch to pid {}", args[0]);
    case TraceType::kExec:
      return fmt::format("exec of {}", text);
    case TraceType::kFaultOutcome:
      return fmt::format("page fault of 0x{:x} done: {}", args[1],
                         trace_abi::fault_outcome_name(static_cast<trace_abi::FaultOutcome>(args[2])));
    case TraceType::kSyscallEnter:
      return fmt::format("system call {}(0x{:x}, 0x{:x}, 0x{:x}, 0x{:x})", trace::system_call_name(args[0]),
                         args[1], args[2], args[3], args[4]);
    case TraceType::kSyscallExit:
      return fmt::format("system call {} returns {}", trace::system_call_name(args[0]),
                         static_cast<int64_t>(args[1]));
    case TraceType::kWatchRange:
      return fmt::format("the kernel announces its {} at 0x{:x}, {} bytes", text, args[1], args[2]);
    case TraceType::kTaskExit:
      return fmt::format("pid {} exits with status {}", args[0], args[1]);
    case TraceType::kSignal:
      return fmt::format("signal {} for pid {}, si_addr 0x{:x}", args[1], args[0], args[3]);
    case TraceType::kVmStat:
      return fmt::format("the kernel counted {}: {}", text, args[0]);
    case TraceType::kCpuMark:
      return args[0] == static_cast<uint64_t>(trace_abi::CpuMark::kBegins) ? "recording begins"
                                                                           : "recording ends";
  }
  return fmt::format("tracepoint {}", record.type);
}

}  // namespace

std::string name_or_address(const Names& names, uint64_t address) {
  std::string known = names ? names(address) : "";
  return known.empty() ? fmt::format("0x{:x}", address) : known;
}

std::string event_text(const trace::Event& event, const Names& names) {
  const std::string where = name_or_address(names, event.moment.rip);
  if (const auto* fault = event.as<trace::PageFault>()) return text_of(*fault, where);
  if (const auto* interruption = event.as<trace::Interruption>())
    return fmt::format("{} at {}", x86::vector_name(interruption->vector), where);
  if (const auto* insert = event.as<trace::TlbInsert>())
    return fmt::format("TLB entry made: {}, by a {} at {}", entry_of(insert->entry),
                       x86::access_type_name(insert->access.type), where);
  if (const auto* remove = event.as<trace::TlbRemove>())
    return fmt::format("TLB entry removed: {}, by {} at {}", entry_of(remove->entry),
                       x86::tlb_cause_name(remove->cause), where);
  if (const auto* flush = event.as<trace::TlbFlush>())
    return fmt::format("TLB flush by {}{} at {}", x86::tlb_cause_name(flush->cause),
                       flush->linear != 0 ? fmt::format(" of 0x{:x}", flush->linear) : "", where);
  if (const auto* point = event.as<trace::Tracepoint>()) return text_of(*point);
  return trace::event_name(event);
}

}  // namespace mmuscope::debug
