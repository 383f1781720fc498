// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a debugger stops a machine: breakpoints, watches, single steps, and requests of observers. Owned by the
// machine, no part of its state: it changes where Machine::run() comes back, never what the guest does. After
// changing breakpoints nothing more is needed; after changing watches or `armed`, Machine::watches_changed().
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
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

// At most kMostBytes, not beyond the end of the address space. Accesses of any CPU, its page walks and event
// delivery included, to [address, address + bytes).
struct WatchSpec {
  static constexpr uint64_t kMostBytes = 1 << 20;
  bool possible() const { return bytes >= 1 && bytes <= kMostBytes && bytes - 1 <= ~address; }

  uint64_t address = 0;
  uint64_t bytes = 1;
  bool reads = false;
  bool writes = true;
  bool physical = false;
  bool operator==(const WatchSpec&) const = default;
};

// Why a run came back. A breakpoint stops in front of its instruction. Everything else stops at the next
// position: after the instruction is done, or after the event that came instead was delivered.
struct DebugHit {
  enum class Kind : uint8_t {
    kBreakpoint,
    kWatch,
    kEvent,  // an observer wanted it: request()
    kStep,   // step_cpu
  };
  Kind kind = Kind::kBreakpoint;
  unsigned cpu = 0;
  Position before;       // the last position at which it had not happened yet
  WatchSpec watch;       // kWatch
  uint64_t address = 0;  // kWatch: first byte accessed
  bool write = false;    // kWatch
  std::string text;      // kEvent: for people
  bool event = false;    // kStep: an event was delivered, no instruction executed
};

struct DebugControl {
  std::set<x86::LinearAddress> breakpoints;
  std::vector<WatchSpec> watches;
  // Stop after each instruction of this CPU, and each event delivered to it.
  std::optional<unsigned> step_cpu;
  // Of those only the ones that begin, or end, at CPL 3: the kernel's work in between is one step.
  enum class StepOnly : uint8_t { kAll, kBeginsAtCpl3, kEndsAtCpl3 };
  StepOnly step_only = StepOnly::kAll;
  // Stop after each event that is delivered, without a hit.
  bool stop_after_event = false;
  // Otherwise breakpoints, watches, step_cpu and request() do nothing.
  bool armed = true;
  // The first instruction of the next run() is executed even when it has a breakpoint.
  bool leaving = true;
  std::optional<DebugHit> hit;  // why it stopped; cleared by run() when it begins
  bool stop = false;            // come back where the machine stands; cleared by run() when it begins

  // For observers, while they are called. The first one counts.
  void request(DebugHit wanted) {
    if (armed && !hit) hit = std::move(wanted);
  }
};

}  // namespace mmuscope
