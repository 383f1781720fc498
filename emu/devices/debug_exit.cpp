// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/debug_exit.h"

#include "abi/trace_port.h"

namespace mmuscope {

bool DebugExit::claims(uint16_t port) const { return port == trace_abi::kDebugExitPort; }

uint32_t DebugExit::port_read(unsigned, uint16_t, unsigned) { return 0; }

void DebugExit::port_write(unsigned, uint16_t, unsigned, uint32_t value) {
  if (!value_) value_ = value;
}

void DebugExit::save(StateWriter& writer) const {
  writer.tag("exit");
  writer.put(static_cast<uint8_t>(value_.has_value()));
  writer.put(value_.value_or(0));
}

void DebugExit::restore(StateReader& reader) {
  reader.expect_tag("exit");
  const bool written = reader.get<uint8_t>() != 0;
  const auto value = reader.get<uint32_t>();
  value_ = written ? std::optional(value) : std::nullopt;
}

}  // namespace mmuscope
