// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a debugger stops a machine: breakpoints, watches, and a request that observers may set. Owned by the
// machine, no part of its state: it changes where Machine::run() comes back, never what the guest does. After
// changing breakpoints nothing more is needed; after changing watches, Machine::watches_changed().
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "x86/address.h"

namespace mmuscope {

// Where a run stands. Several events may be delivered between two instructions (a fault, an interrupt):
// `events` counts those since the last instruction. run(icount) comes to events == 0.
struct Position {
  uint64_t icount = 0;
  uint64_t events = 0;
  auto operator<=>(const Position&) const = default;
};

struct WatchSpec {
  uint64_t address = 0;
  uint64_t bytes = 1;
  bool reads = false;
  bool writes = true;
  bool physical = false;
  bool operator==(const WatchSpec&) const = default;
};

struct DebugHit {
  enum class Kind : uint8_t { kBreakpoint, kWatch } kind = Kind::kBreakpoint;
  unsigned cpu = 0;
  WatchSpec watch;       // kWatch
  uint64_t address = 0;  // kWatch: first byte accessed
  bool write = false;    // kWatch
};

struct DebugControl {
  std::set<x86::LinearAddress> breakpoints;
  std::vector<WatchSpec> watches;
  // run() comes back at the next boundary between instructions or events. Cleared by run() when it begins.
  bool stop = false;
  // Stop after each event that is delivered.
  bool stop_after_event = false;
  // The first instruction of the next run() is executed even when it has a breakpoint.
  bool leaving = true;
  std::optional<DebugHit> hit;  // why it stopped; cleared by run() when it begins
};

}  // namespace mmuscope
