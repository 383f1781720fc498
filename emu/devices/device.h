// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a device is to the machine: I/O ports, state that can be saved, and nothing else. Devices hold no host
// clock; the time they are given is counted instructions (GuestTime). They call back through the small
// interfaces below, which the machine implements; they never call an engine.
#pragma once

#include <cstdint>

#include "base/state_io.h"

namespace mmuscope {

using GuestTime = uint64_t;  // instructions since reset, all CPUs together
inline constexpr GuestTime kNever = ~GuestTime{0};

class Device {
 public:
  virtual ~Device() = default;
  virtual const char* name() const = 0;
  virtual void reset() = 0;
  virtual void save(StateWriter& writer) const = 0;
  virtual void restore(StateReader& reader) = 0;
};

// A device at I/O ports. `port` is the absolute port; `size` is 1, 2 or 4.
class PortDevice : public Device {
 public:
  virtual bool claims(uint16_t port) const = 0;
  virtual uint32_t port_read(unsigned cpu, uint16_t port, unsigned size) = 0;
  virtual void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value) = 0;
};

}  // namespace mmuscope
