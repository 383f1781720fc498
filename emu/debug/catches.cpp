// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/catches.h"

#include <fmt/format.h>

#include "trace/system_call_names.h"

namespace mmuscope::debug {

using trace_abi::TraceType;

std::string Catch::describe() const {
  std::string text;
  switch (kind) {
    case Kind::kFault:
      text = "page faults";
      if (outcome) text += fmt::format(" with outcome {}", trace_abi::fault_outcome_name(*outcome));
      break;
    case Kind::kEntry:
      text = fmt::format("stores to the {}", about);
      break;
    case Kind::kSyscall:
      text = number ? fmt::format("system call {}", trace::system_call_name(*number)) : "system calls";
      break;
    case Kind::kTlb:
      text = fmt::format("TLB entries for 0x{:x}", address);
      break;
  }
  if (pid) text += fmt::format(" of pid {}", *pid);
  return text;
}

bool Catch::matches(const trace::Event& event) const {
  if (pid && *pid != event.moment.pid) return false;
  const auto* point = event.as<trace::Tracepoint>();
  switch (kind) {
    case Kind::kFault:
      if (!outcome) return event.as<trace::PageFault>() != nullptr;
      return point != nullptr && point->type() == TraceType::kFaultOutcome &&
             point->record.args[2] == static_cast<uint64_t>(*outcome);
    case Kind::kEntry:
      return false;
    case Kind::kSyscall:
      return point != nullptr &&
             (point->type() == TraceType::kSyscallEnter || point->type() == TraceType::kSyscallExit) &&
             (!number || point->record.args[0] == *number);
    case Kind::kTlb: {
      const auto* insert = event.as<trace::TlbInsert>();
      const auto* remove = event.as<trace::TlbRemove>();
      if (insert == nullptr && remove == nullptr) return false;
      const x86::Translation& page = (insert != nullptr ? insert->entry : remove->entry).page;
      return address - page.linear_base < x86::page_bytes(page.size);
    }
  }
  return false;
}

unsigned Catches::add(Catch wanted) {
  catches_.emplace(++last_, std::move(wanted));
  return last_;
}

bool Catches::remove(unsigned number) { return catches_.erase(number) != 0; }

void Catches::put(const trace::Event& event) {
  DebugControl& debug = machine_.debug_control();
  if (catches_.empty() || !debug.armed || debug.hit) return;
  for (const auto& [number, wanted] : catches_) {
    if (!wanted.matches(event)) continue;
    debug.request({.kind = DebugHit::Kind::kEvent,
                   .cpu = event.moment.cpu,
                   .before = machine_.position(),
                   .text = fmt::format("Catchpoint {}, pid {}: {}", number, event.moment.pid,
                                       event_text(event, names_))});
    return;
  }
}

}  // namespace mmuscope::debug
