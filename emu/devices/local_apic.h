// SPDX-License-Identifier: GPL-2.0-or-later
//
// One CPU's local APIC in xAPIC mode, SDM vol. 3, chapter 10 (table 10-1 is the register map):
// identification, TPR/PPR, IRR/ISR/TMR, EOI, spurious vector, LVT timer (one-shot and periodic), ICR (fixed,
// NMI, INIT, SIPI; physical destination, logical flat destination, shorthands), self IPI. No lowest-priority
// arbitration, no TSC-deadline, no LINT pins, no performance or thermal interrupts; their LVT registers store
// what is written. The timer counts one a counted instruction, divided by the divide configuration.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "devices/device.h"
#include "memory/bus.h"

namespace mmuscope {

enum class IpiKind : uint8_t { kFixed, kNmi, kInit, kStartup };

// What the APICs of the machine say to each other; the machine implements it and knows the time.
class ApicBus {
 public:
  virtual ~ApicBus() = default;
  virtual GuestTime now() const = 0;
  virtual unsigned cpu_count() const = 0;
  // Delivers to every CPU in `targets` (bit n: CPU n, whose APIC id is n), the sender possibly included.
  virtual void send_ipi(unsigned from, uint64_t targets, IpiKind kind, uint8_t vector) = 0;
  virtual uint32_t logical_destination(unsigned cpu) const = 0;  // LDR of that CPU's APIC
};

class LocalApic final : public Device {
 public:
  static constexpr uint64_t kPhysicalBase = 0xfee00000;

  LocalApic(unsigned cpu, ApicBus& bus);

  const char* name() const override { return "local_apic"; }
  void reset() override;  // power-up and INIT
  void save(StateWriter& writer) const override;
  void restore(StateReader& reader) override;

  uint32_t read(uint64_t offset);
  void write(uint64_t offset, uint32_t value);

  // A vector arrives (IPI or timer): sets IRR. Vectors below 16 are ignored with an error in ESR.
  void accept(uint8_t vector);
  // The vector that would be delivered now (above PPR), or nothing. CR8 writes go to set_task_priority().
  std::optional<uint8_t> pending() const;
  // The CPU takes it: moves IRR -> ISR and returns the vector.
  uint8_t acknowledge();
  void set_task_priority(uint8_t class_bits);  // CR8
  uint8_t task_priority() const;

  // The timer: the time of its next expiry (kNever when off), and what to call when it has come.
  GuestTime next_expiry() const;
  void expire(GuestTime now);
  // Whether an expiry would interrupt a CPU that accepts interrupts: not masked, above PPR.
  bool timer_can_interrupt() const;

 private:
  void send();

  // registers by offset / 16, those that have a life of their own apart
  std::array<uint32_t, 64> registers_{};
  std::array<uint32_t, 8> irr_{}, isr_{};
  unsigned cpu_;
  ApicBus& bus_;
  GuestTime timer_start_ = 0;  // when the current count began
  GuestTime timer_expiry_ = kNever;
};

// The 4 KiB window at kPhysicalBase: routes to the accessing CPU's own APIC. Accesses must be 32 bits wide
// and aligned to 16 bytes (SDM 10.4.1); others read zero and are dropped.
class ApicWindow final : public MmioDevice {
 public:
  explicit ApicWindow(std::vector<LocalApic*> by_cpu) : by_cpu_(std::move(by_cpu)) {}
  uint64_t mmio_read(unsigned cpu, uint64_t offset, unsigned size) override;
  void mmio_write(unsigned cpu, uint64_t offset, unsigned size, uint64_t value) override;

 private:
  std::vector<LocalApic*> by_cpu_;
};

}  // namespace mmuscope
