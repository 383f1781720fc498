// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the printers of this room share: rows of a table, lines of JSON, names.
#pragma once

#include <fmt/format.h>

#include <ostream>
#include <string>

#include "abi/trace_port.h"
#include "trace/json_text.h"

namespace mmuscope::trace {

inline std::string cut(std::string text, size_t width) {
  if (text.size() > width) text = text.substr(0, width - 1) + "~";
  return text;
}

// One line for a terminal. Names come from programs inside: nothing of them may move the cursor, and what
// does not fit is cut off, so that rows stay rows.
inline void row(std::ostream& out, std::string text) {
  constexpr size_t kColumns = 120;
  for (char& character : text)
    if (character < ' ' || character > '~') character = '?';
  out << cut(std::move(text), kColumns) << '\n';
}

inline void line(std::ostream& out, const Json& json) { out << to_line(json); }

// A kernel that is newer may tell outcomes that have no name here.
inline std::string outcome_name(trace_abi::FaultOutcome outcome) {
  const std::string_view name = fault_outcome_name(outcome);
  if (name != "unknown") return std::string(name);
  return fmt::format("outcome-{}", static_cast<uint64_t>(outcome));
}

}  // namespace mmuscope::trace
