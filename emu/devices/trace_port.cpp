// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/trace_port.h"

#include <cstring>

namespace mmuscope {

bool TracePort::claims(uint16_t port) const { return port == trace_abi::kTracePort; }

uint32_t TracePort::port_read(unsigned, uint16_t, unsigned) { return 0; }

void TracePort::port_write(unsigned cpu, uint16_t, unsigned size, uint32_t value) {
  trace_abi::TraceRecord record;
  if (size != 4 || !ram_.contains(value, sizeof record)) {
    ++dropped_;
    return;
  }
  std::memcpy(&record, ram_.host(value), sizeof record);
  if (record.abi_version != trace_abi::kTraceAbiVersion) {
    ++dropped_;
    return;
  }
  sink_(cpu, record);
}

void TracePort::save(StateWriter& writer) const {
  writer.tag("tprt");
  writer.put(dropped_);
}

void TracePort::restore(StateReader& reader) {
  reader.expect_tag("tprt");
  reader.get(dropped_);
}

}  // namespace mmuscope
