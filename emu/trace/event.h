// SPDX-License-Identifier: GPL-2.0-or-later
//
// One thing that happened in the machine, as a value: what MachineObserver tells by calls, with a number. The
// variant is closed and its order is the type number in trace files (docs/trace-format.md): alternatives are
// only ever appended, and kFormatVersion (format.h) changes when a meaning does. Numbers count from 1 in
// guest time, the same for a live run and for its trace, so that a number names the same event everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <variant>

#include "abi/trace_port.h"
#include "machine/observer.h"

namespace mmuscope::trace {

struct PageFault {
  x86::PageFault fault;
  x86::WalkTrace walk;  // the entries read; empty for a fault met while another event was being delivered
};

struct Interruption {  // any other exception, or an interrupt
  x86::EventKind kind = x86::EventKind::kException;
  uint8_t vector = 0;
  std::optional<uint32_t> error_code;
};

struct TlbInsert {
  x86::TlbEntry entry;
  x86::Access access;
  x86::WalkTrace walk;
};

struct TlbRemove {
  x86::TlbEntry entry;
  x86::TlbCause cause = x86::TlbCause::kReset;
};

struct TlbFlush {
  x86::TlbCause cause = x86::TlbCause::kReset;
  uint64_t linear = 0;
  std::optional<uint16_t> pcid;
};

struct Tracepoint {
  trace_abi::TraceRecord record{};
  trace_abi::TraceType type() const { return static_cast<trace_abi::TraceType>(record.type); }
};

struct WatchReport {
  uint32_t range = 0;
  WatchCounts counts;
};

using Payload =
    std::variant<PageFault, Interruption, TlbInsert, TlbRemove, TlbFlush, Tracepoint, WatchReport>;

struct Event {
  uint64_t seq = 0;
  Moment moment;
  Payload payload;

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&payload);
  }
};

// Whoever wants events: the recorder, statistics, printers. finish() comes once, after the last event.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void put(const Event& event) = 0;
  virtual void finish() {}
};

}  // namespace mmuscope::trace
