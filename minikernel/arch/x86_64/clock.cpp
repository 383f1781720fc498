// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/clock.h"

#include "arch/x86_64/cpu.h"
#include "lib/log.h"

namespace mk {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;

uint64_t start_tsc;
uint64_t frequency;
uint64_t ns_per_tick_32 = 1ul << 32;  // nanoseconds of a tick, in units of 2^-32

// CPUID leaf 15H, SDM Vol. 3, 18.7.3: crystal frequency times EBX / EAX. 0: not told.
uint64_t told_frequency() {
  if (cpuid(0).eax < 0x15) return 0;
  CpuidResult leaf = cpuid(0x15);
  if (leaf.eax == 0 || leaf.ebx == 0 || leaf.ecx == 0) return 0;
  return static_cast<uint64_t>(leaf.ecx) * leaf.ebx / leaf.eax;
}

// Channel 2 of the 8254 counts 1193182 times a second; port 61H opens its gate (bit 0) and shows its output
// (bit 5).
uint64_t measured_frequency() {
  constexpr uint64_t kPitHz = 1193182;
  constexpr uint16_t kTicks = kPitHz / 100;
  out8(0x61, (in8(0x61) & ~0x02) | 0x01);
  out8(0x43, 0xb0);  // channel 2, both bytes, mode 0: output rises at the end of the count
  out8(0x42, kTicks & 0xff);
  uint64_t before = read_tsc();
  out8(0x42, kTicks >> 8);
  constexpr int kPatience = 10'000'000;  // without a PIT the count never ends
  for (int i = 0; !(in8(0x61) & 0x20); ++i)
    if (i == kPatience) return 0;
  return (read_tsc() - before) * kPitHz / kTicks;
}

}  // namespace

uint64_t now_ns() {
  uint64_t ticks = read_tsc() - start_tsc;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(ticks) * ns_per_tick_32 >> 32);
}

uint64_t tsc_hz() { return frequency; }

void init_clock() {
  uint64_t hz = told_frequency();
  if (hz == 0) hz = measured_frequency();
  if (hz == 0) {
    log("clock: no way to tell the time-stamp counter's frequency: taken as 1 GHz");
    hz = kNsPerSecond;
  }
  frequency = hz;
  ns_per_tick_32 = (kNsPerSecond << 32) / hz;
  start_tsc = read_tsc();
}

}  // namespace mk
