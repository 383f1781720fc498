// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/debug_console.h"

#include "abi/trace_port.h"

namespace mmuscope {

bool DebugConsole::claims(uint16_t port) const { return port == trace_abi::kDebugConsolePort; }

uint32_t DebugConsole::port_read(unsigned, uint16_t, unsigned) { return 0xe9; }

void DebugConsole::port_write(unsigned, uint16_t, unsigned, uint32_t value) {
  const char c = static_cast<char>(value & 0xff);
  if (c != '\n') {
    line_ += c;
    return;
  }
  if (sink_) sink_(line_);
  line_.clear();
}

void DebugConsole::save(StateWriter& writer) const {
  writer.tag("dcon");
  writer.put_bytes({reinterpret_cast<const uint8_t*>(line_.data()), line_.size()});
}

void DebugConsole::restore(StateReader& reader) {
  reader.expect_tag("dcon");
  const std::vector<uint8_t> line = reader.get_bytes();
  line_.assign(line.begin(), line.end());
}

}  // namespace mmuscope
