// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/preface.h"

#include <algorithm>
#include <cstring>

namespace mmuscope::trace {

void Preface::put(const Event& event) {
  programs_.see(event);
  if (const auto* point = event.as<Tracepoint>();
      point != nullptr && point->type() == trace_abi::TraceType::kWatchRange)
    ranges_.push_back(point->record);
}

Preface::Records Preface::records() const {
  Records records = ranges_;
  for (const auto& [pid, program] : programs_.programs()) {
    trace_abi::TraceRecord record{};
    record.abi_version = trace_abi::kTraceAbiVersion;
    record.type = static_cast<uint16_t>(trace_abi::TraceType::kExec);
    record.args[0] = pid;
    record.args[1] = program.bias;
    std::memcpy(record.text, program.path.data(), std::min(program.path.size(), sizeof record.text));
    records.push_back(record);
  }
  return records;
}

}  // namespace mmuscope::trace
