// SPDX-License-Identifier: GPL-2.0-or-later
//
// Tracepoints: what the kernel tells the machine it runs on (abi/trace_port.h). The same instructions run
// whether or not anybody listens.
#pragma once

#include "abi/trace_port.h"

namespace mk {

using trace_abi::TraceType;

void emit_trace(TraceType type, const char* text, const uint64_t* args, unsigned count);

template <typename... Args>
void trace_text(TraceType type, const char* text, Args... args) {
  static_assert(sizeof...(args) <= 7);
  const uint64_t values[] = {static_cast<uint64_t>(args)..., 0};
  emit_trace(type, text, values, sizeof...(args));
}

template <typename... Args>
void trace(TraceType type, Args... args) {
  trace_text(type, "", args...);
}

}  // namespace mk
