// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/trace.h"

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/percpu.h"
#include "lib/string.h"

namespace mk {

void emit_trace(TraceType type, const char* text, const uint64_t* args, unsigned count) {
  trace_abi::TraceRecord& record = this_cpu().trace_record;
  record.abi_version = trace_abi::kTraceAbiVersion;
  record.type = static_cast<uint16_t>(type);
  for (unsigned i = 0; i < 7; ++i) record.args[i] = i < count ? args[i] : 0;
  size_t length = strnlen(text, sizeof(record.text) - 1);
  memcpy(record.text, text, length);
  record.text[length] = 0;
  out32(trace_abi::kTracePort, static_cast<uint32_t>(virt_to_phys(&record)));
}

}  // namespace mk
