// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/apic.h"

#include "arch/x86_64/clock.h"
#include "arch/x86_64/cpu.h"
#include "boot/memory.h"

namespace mk {
namespace {

// Register offsets.
constexpr uint32_t kId = 0x20;
constexpr uint32_t kEndOfInterrupt = 0xb0;
constexpr uint32_t kSpurious = 0xf0;
constexpr uint32_t kCommandLow = 0x300;
constexpr uint32_t kCommandHigh = 0x310;

constexpr uint32_t kLvtTimer = 0x320;
constexpr uint32_t kInitialCount = 0x380;
constexpr uint32_t kCurrentCount = 0x390;
constexpr uint32_t kDivide = 0x3e0;

constexpr uint32_t kDivideBy1 = 0xb;          // in kDivide
constexpr uint32_t kMasked = 1 << 16;         // in kLvtTimer
constexpr uint32_t kSoftwareEnable = 1 << 8;  // in kSpurious
// In kCommandLow.
constexpr uint32_t kFixed = 0 << 8;
constexpr uint32_t kInit = 5 << 8;
constexpr uint32_t kStartup = 6 << 8;
constexpr uint32_t kPending = 1 << 12;
constexpr uint32_t kAssert = 1 << 14;

uint64_t ticks_per_ns_32 = 1ul << 32;  // of the timer, in units of 2^-32

volatile uint32_t& reg(uint32_t offset) { return local_apic_registers[offset / 4]; }

void send(uint32_t target, uint32_t command) {
  reg(kCommandHigh) = target << 24;
  reg(kCommandLow) = command;
  while (reg(kCommandLow) & kPending) cpu_pause();
}

}  // namespace

// 8259A: four initialisation words each (Intel data sheet 231468), then the mask.
void silence_pic() {
  constexpr uint16_t kMaster = 0x20;
  constexpr uint16_t kPorts[] = {kMaster, 0xa0};
  for (const uint16_t port : kPorts) {
    bool master = port == kMaster;
    out8(port, 0x11);
    out8(port + 1, master ? kPicVector : kPicVector + 8);
    out8(port + 1, master ? 0x04 : 0x02);
    out8(port + 1, 0x01);
    out8(port + 1, 0xff);
  }
}

void init_apic() { reg(kSpurious) = kSoftwareEnable | kSpuriousVector; }

// Counted for a millisecond beside the clock: what CPUID tells of the crystal is not always what the timer
// counts.
void init_apic_timer() {
  constexpr uint64_t kMeasureNs = 1'000'000;
  reg(kDivide) = kDivideBy1;
  reg(kLvtTimer) = kMasked | kTimerVector;
  reg(kInitialCount) = UINT32_MAX;
  uint64_t start = now_ns();
  uint64_t end = start;
  while (end - start < kMeasureNs) end = now_ns();
  uint64_t ticks = UINT32_MAX - reg(kCurrentCount);
  reg(kInitialCount) = 0;
  ticks_per_ns_32 = (ticks << 32) / (end - start);
}

void apic_set_timer(uint64_t ns) {
  constexpr uint64_t kMostNs = 4'000'000'000;
  if (ns > kMostNs) ns = kMostNs;
  auto ticks = static_cast<uint64_t>(static_cast<unsigned __int128>(ns) * ticks_per_ns_32 >> 32);
  if (ticks > UINT32_MAX) ticks = UINT32_MAX;
  if (ns != 0 && ticks == 0) ticks = 1;
  if (ns != 0) {
    reg(kDivide) = kDivideBy1;
    reg(kLvtTimer) = kTimerVector;
  }
  reg(kInitialCount) = static_cast<uint32_t>(ticks);
}

uint32_t apic_id() { return reg(kId) >> 24; }
void apic_end_of_interrupt() { reg(kEndOfInterrupt) = 0; }
void apic_send_init(uint32_t target) { send(target, kInit | kAssert); }
void apic_send_startup(uint32_t target, uint8_t page) { send(target, kStartup | kAssert | page); }
void apic_send_interrupt(uint32_t target, uint8_t vector) { send(target, kFixed | kAssert | vector); }

}  // namespace mk
