// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory/bus.h"

#include <cstring>

#include "base/check.h"

namespace mmuscope {

void Bus::map(x86::PhysicalAddress start, uint64_t bytes, MmioDevice& device) {
  EMU_CHECK((start | bytes) % x86::kPageSize == 0 && bytes != 0, "device windows are whole pages");
  EMU_CHECK(!is_ram(start), "device windows lie outside RAM");
  windows_.push_back({start, bytes, &device});
}

uint64_t Bus::read(unsigned cpu, x86::PhysicalAddress address, unsigned size) {
  uint64_t value = ~uint64_t{0};
  if (const uint8_t* host = ram_.host(address)) {
    value = 0;
    std::memcpy(&value, host, size);
    return value;
  }
  for (const Window& window : windows_)
    if (address - window.start < window.bytes)
      value = window.device->mmio_read(cpu, address - window.start, size);
  return size == 8 ? value : value & ((uint64_t{1} << (8 * size)) - 1);
}

void Bus::write(unsigned cpu, x86::PhysicalAddress address, unsigned size, uint64_t value) {
  if (uint8_t* host = ram_.host(address)) {
    ram_.mark_dirty(address);
    std::memcpy(host, &value, size);
    return;
  }
  for (const Window& window : windows_)
    if (address - window.start < window.bytes)
      window.device->mmio_write(cpu, address - window.start, size, value);
}

}  // namespace mmuscope
