// SPDX-License-Identifier: GPL-2.0-or-later
//
// A 16550A at COM1 (ports 0x3f8-0x3ff): output to a ConsoleSink, input pulled from a ConsoleSource. Baud
// rate, modem lines and FIFO timing have no effect; the transmitter is always ready. Register layout:
// National Semiconductor PC16550D data sheet, table 1.
//
// Input is pulled only when the guest asks for it - reads RBR, or reads LSR while its receive interrupt is
// enabled in IER - so that arrival is a function of what the guest does, not of host time, and a guest that
// polls LSR to print never waits for the host. End of input is delivered as byte 0x04 (^D), once per request
// that finds nothing else. The interrupt line (IER, IIR) is modelled; the machine wires it to nothing yet (no
// I/O APIC: CAVEATS.md).
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "devices/device.h"

namespace mmuscope {

class ConsoleSink {
 public:
  virtual ~ConsoleSink() = default;
  virtual void put(uint8_t byte) = 0;
  // What was put must be seen now: the guest waits for an answer to it.
  virtual void flush() {}
};

class ConsoleSource {
 public:
  virtual ~ConsoleSource() = default;
  // The next byte; nullopt at end of input. May block. The position is part of a snapshot, so sources must be
  // able to give the same bytes again after a restore: see position() and seek().
  virtual std::optional<uint8_t> get() = 0;
  virtual uint64_t position() const = 0;
  virtual void seek(uint64_t position) = 0;
};

class Uart16550 final : public PortDevice {
 public:
  static constexpr uint16_t kBase = 0x3f8;

  // Both must outlive the device.
  Uart16550(ConsoleSink& sink, ConsoleSource& source);

  const char* name() const override { return "uart16550"; }
  void reset() override;
  bool claims(uint16_t port) const override { return port >= kBase && port < kBase + 8; }
  uint32_t port_read(unsigned cpu, uint16_t port, unsigned size) override;
  void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) override;
  void save(StateWriter& writer) const override;
  void restore(StateReader& reader) override;

  bool interrupt_line() const;

 private:
  uint8_t read_register(unsigned offset);
  void write_register(unsigned offset, uint8_t value);
  void pull();

  ConsoleSink& sink_;
  ConsoleSource& source_;
  std::deque<uint8_t> receive_;
  uint8_t ier_ = 0, fcr_ = 0, lcr_ = 0, mcr_ = 0, scr_ = 0, dll_ = 1, dlm_ = 0;
  bool transmit_interrupt_ = false;
};

}  // namespace mmuscope
