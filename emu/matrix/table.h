// SPDX-License-Identifier: GPL-2.0-or-later
//
// The table of what happened beside what was expected, and its three forms: for a terminal, as Markdown, as
// JSON.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "matrix/expectations.h"

namespace mmuscope::matrix {

// One scenario under one policy.
struct Cell {
  std::optional<Outcome> measured;  // nothing: it could not be told
  std::string trouble;              // then: why
  std::vector<std::string> notes;   // lines of its report and of the kernel's log
  unsigned cpus = 1;
  uint64_t instructions = 0;
};

struct Row {
  Scenario scenario;
  std::vector<Cell> cells;  // one for each policy of the table
};

struct Table {
  std::vector<std::string> policies;
  std::vector<Row> rows;
  std::optional<NativeResults> native;

  bool as_expected(size_t row, size_t policy) const;
  size_t cells() const { return rows.size() * policies.size(); }
  size_t differences() const;
};

// Columns of text; below them a paragraph for each cell that is not as expected.
void print_text(std::ostream& out, const Table& table);
void print_markdown(std::ostream& out, const Table& table);
void print_json(std::ostream& out, const Table& table);

}  // namespace mmuscope::matrix
