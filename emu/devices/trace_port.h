// SPDX-License-Identifier: GPL-2.0-or-later
//
// Port 0xb00: the kernel's tracepoints (minikernel/abi/trace_port.h is the contract). Reads the record from
// RAM at the physical address written and hands it on; a record of another ABI version or outside RAM is
// dropped and counted.
#pragma once

#include <functional>

#include "abi/trace_port.h"
#include "devices/device.h"
#include "memory/ram.h"

namespace mmuscope {

class TracePort final : public PortDevice {
 public:
  using RecordSink = std::function<void(unsigned cpu, const trace_abi::TraceRecord& record)>;
  TracePort(const Ram& ram, RecordSink sink) : ram_(ram), sink_(std::move(sink)) {}

  const char* name() const override { return "trace_port"; }
  void reset() override { dropped_ = 0; }
  bool claims(uint16_t port) const override;
  uint32_t port_read(unsigned cpu, uint16_t port, unsigned size) override;
  void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) override;
  void save(StateWriter& writer) const override;
  void restore(StateReader& reader) override;

  uint64_t dropped() const { return dropped_; }

 private:
  const Ram& ram_;
  RecordSink sink_;
  uint64_t dropped_ = 0;
};

}  // namespace mmuscope
