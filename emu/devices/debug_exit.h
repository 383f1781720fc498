// SPDX-License-Identifier: GPL-2.0-or-later
//
// Port 0xf4: a 32-bit write ends the machine with that value (minikernel/abi/trace_port.h says what it
// means). QEMU's isa-debug-exit at the same place does the same, with a mangled value.
#pragma once

#include <optional>

#include "devices/device.h"

namespace mmuscope {

class DebugExit final : public PortDevice {
 public:
  const char* name() const override { return "debug_exit"; }
  void reset() override { value_.reset(); }
  bool claims(uint16_t port) const override;
  uint32_t port_read(unsigned cpu, uint16_t port, unsigned size) override;
  void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) override;
  void save(StateWriter& writer) const override;
  void restore(StateReader& reader) override;

  std::optional<uint32_t> value() const { return value_; }

 private:
  std::optional<uint32_t> value_;
};

}  // namespace mmuscope
