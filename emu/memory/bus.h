// SPDX-License-Identifier: GPL-2.0-or-later
//
// Guest-physical address space: RAM, and memory-mapped devices by page. What is neither reads as all ones and
// swallows writes, as on a PC. Knows nothing of paging.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/ram.h"

namespace mmuscope {

// A device that answers at physical addresses. `offset` is from the start of its window; `size` is 1, 2, 4
// or 8.
class MmioDevice {
 public:
  virtual ~MmioDevice() = default;
  virtual uint64_t mmio_read(unsigned cpu, uint64_t offset, unsigned size) = 0;
  virtual void mmio_write(unsigned cpu, uint64_t offset, unsigned size, uint64_t value) = 0;
};

class Bus {
 public:
  explicit Bus(Ram& ram) : ram_(ram) {}

  // Page-aligned window outside RAM. The device must outlive the bus; not owned.
  void map(x86::PhysicalAddress start, uint64_t bytes, MmioDevice& device);
  bool is_ram(x86::PhysicalAddress address) const { return ram_.host(address) != nullptr; }

  // Any physical access not made by an engine's own loads and stores. Must not cross a page.
  uint64_t read(unsigned cpu, x86::PhysicalAddress address, unsigned size);
  void write(unsigned cpu, x86::PhysicalAddress address, unsigned size, uint64_t value);

  Ram& ram() { return ram_; }
  const Ram& ram() const { return ram_; }

 private:
  struct Window {
    x86::PhysicalAddress start;
    uint64_t bytes;
    MmioDevice* device;
  };
  Ram& ram_;
  std::vector<Window> windows_;
};

}  // namespace mmuscope
