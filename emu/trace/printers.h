// SPDX-License-Identifier: GPL-2.0-or-later
//
// What people and programs read: faults, TLB events, one walk and sums, as tables for a terminal of 120
// columns (what is longer is cut off and ends in "~") and as JSON (docs/trace-format.md lists the fields).
// Addresses and entries are 0x%016x; in JSON they are strings, because numbers of 64 bits do not survive most
// readers. Printers write to a stream and leave its errors to the caller.
#pragma once

#include <optional>
#include <ostream>
#include <set>
#include <string>

#include "base/error.h"
#include "trace/event.h"
#include "trace/fault_rows.h"
#include "trace/stats.h"
#include "trace/symbolizer.h"

namespace mmuscope::trace {

enum class Format { kTable, kJson };  // kJson: an object a line for rows, one object for a walk and for sums

struct FaultFilter {
  std::set<uint32_t> pids;                                  // empty: all
  std::set<uint64_t> outcomes;                              // FaultOutcome, 0 for none; empty: all
  uint64_t first_address = 0, last_address = ~uint64_t{0};  // both included

  bool accepts(const FaultRow& row) const;
};

struct TlbFilter {
  std::set<uint32_t> pids;                                  // empty: all
  uint64_t first_address = 0, last_address = ~uint64_t{0};  // both included

  // Given a range, of the TLB events those whose page or operand lies in it, at least in part.
  bool accepts(const Event& event) const;
};

class FaultPrinter {
 public:
  FaultPrinter(std::ostream& out, Format format) : out_(out), format_(format) {}
  void header();
  void print(const FaultRow& row);

 private:
  std::ostream& out_;
  Format format_;
};

// Prints TLB events as they come. The symbolizer must have seen them.
class TlbPrinter {
 public:
  TlbPrinter(std::ostream& out, Format format, const Symbolizer& symbolizer)
      : out_(out), format_(format), symbolizer_(symbolizer) {}
  void header();
  void print(const Event& event);  // nothing for other events

 private:
  std::ostream& out_;
  Format format_;
  const Symbolizer& symbolizer_;
};

// The walk behind a page fault or a TLB insert; kUsage for events that have none.
Expected<void> print_walk(std::ostream& out, Format format, const Event& event, const Symbolizer& symbolizer);

// `counted`: watched ranges were counted in this run.
void print_stats(std::ostream& out, Format format, const Stats& stats, bool counted);

// What an event is: "page fault", "TLB insert", ...
const char* event_name(const Event& event);

// Hardware and software bits that are set, by name, highest last: "P W U A D EXCL key=3 XD"; "not present
// ..." first when P is clear, and then PROT_NONE for G. `leaf`: the entry maps a page.
std::string describe_entry(uint64_t entry, bool leaf);

}  // namespace mmuscope::trace
