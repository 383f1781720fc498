// SPDX-License-Identifier: GPL-2.0-or-later
//
// Port 0xe9 (Bochs' and QEMU's isa-debugcon): the kernel's own log, a byte at a time. Reads give 0xe9, by
// which a guest finds that the port is there. Lines are handed on whole; an unfinished line is part of the
// state.
#pragma once

#include <functional>
#include <string>

#include "devices/device.h"

namespace mmuscope {

class DebugConsole final : public PortDevice {
 public:
  using LineSink = std::function<void(const std::string& line)>;  // without the newline
  explicit DebugConsole(LineSink sink) : sink_(std::move(sink)) {}

  const char* name() const override { return "debug_console"; }
  void reset() override { line_.clear(); }
  bool claims(uint16_t port) const override;
  uint32_t port_read(unsigned cpu, uint16_t port, unsigned size) override;
  void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) override;
  void save(StateWriter& writer) const override;
  void restore(StateReader& reader) override;

  const std::string& unfinished_line() const { return line_; }

 private:
  LineSink sink_;
  std::string line_;
};

}  // namespace mmuscope
