// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stops on what happens rather than where: page faults, system calls, stores to a page-table entry, TLB
// entries that come and go. Turns the machine's events into DebugControl::request(); stores to entries are
// watches, which the owner sets (machine_target.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "debug/event_text.h"
#include "machine/machine.h"
#include "trace/event.h"

namespace mmuscope::debug {

struct Catch {
  enum class Kind : uint8_t {
    kFault,    // a page fault is delivered; with `outcome`, the kernel tells what it decided
    kEntry,    // a store to the 8 bytes at physical `address`, the processor's own (A, D) too
    kSyscall,  // enters or leaves; with `number`, that one
    kTlb,      // an entry for the page of linear `address` is made or removed
  };
  Kind kind = Kind::kFault;
  std::optional<uint32_t> pid;  // of the task; nothing: any
  std::optional<trace_abi::FaultOutcome> outcome;
  std::optional<uint64_t> number;
  uint64_t address = 0;
  std::string about;  // kEntry: what the entry is, for people

  std::string describe() const;  // "page faults with outcome copy", for a list of catches
  bool matches(const trace::Event& event) const;
};

class Catches final : public trace::EventSink {
 public:
  explicit Catches(Machine& machine) : machine_(machine) {}

  unsigned add(Catch wanted);  // its number, from 1
  bool remove(unsigned number);
  const std::map<unsigned, Catch>& all() const { return catches_; }
  void name_addresses_by(Names names) { names_ = std::move(names); }

  void put(const trace::Event& event) override;

 private:
  Machine& machine_;
  std::map<unsigned, Catch> catches_;
  unsigned last_ = 0;
  Names names_;
};

}  // namespace mmuscope::debug
