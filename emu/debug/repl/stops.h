// SPDX-License-Identifier: GPL-2.0-or-later
//
// The user's breakpoints and watchpoints by number, and their shadow in the Target, which knows none of their
// numbers: there a place stops as long as any of them wants it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "debug/kernel_types.h"
#include "debug/target.h"

namespace mmuscope::debug {

struct Stop {
  unsigned number = 0;
  std::string what;              // as the user wrote it
  std::vector<uint64_t> places;  // of a breakpoint
  std::optional<Watch> watch;    // otherwise
  KernelType type;               // of what is watched
  bool temporary = false, enabled = true;
  uint64_t hits = 0;
  std::vector<uint8_t> value;  // of what is watched, when the machine last stood still
};

class Stops {
 public:
  explicit Stops(Target& target) : target_(target) {}

  const Stop& add_breakpoint(std::string what, std::vector<uint64_t> places, bool temporary);
  const Stop& add_watch(std::string what, const Watch& watch, const KernelType& type);
  bool remove(unsigned number);
  bool enable(unsigned number, bool enabled);
  const std::map<unsigned, Stop>& all() const { return stops_; }

  bool has_breakpoint(uint64_t address) const;
  // Counts the hit. The first one there; it is removed when it was temporary, so a copy is returned.
  std::optional<Stop> hit_breakpoint(uint64_t address);
  // With the value it had before; the one in the table has the new one then.
  std::optional<Stop> hit_watch(const Watch& watch);
  const Stop* find(unsigned number) const;
  // What is watched is as it is now.
  void refresh();
  std::vector<uint8_t> read(const Watch& watch);  // short where memory is not there

 private:
  Stop& add(Stop stop);
  void insert(const Stop& stop);
  void withdraw(const Stop& stop);  // what no other stop wants

  Target& target_;
  std::map<unsigned, Stop> stops_;
  unsigned last_ = 0;
};

}  // namespace mmuscope::debug
