// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the matrix makes of any bytes. The first selects: a scenario's report; expectations; results of a
// Linux. What is taken must be printable, and what is written must be read again as it was.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "matrix/table.h"
#include "matrix/tap_report.h"

namespace mmuscope::matrix {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void fuzz_report(std::string_view text) {
  const auto report = parse_tap(text);
  if (!report) return;
  const Outcome& outcome = report->outcome;
  must(outcome.verdict == kSkip || is_verdict(outcome.verdict));
  must(outcome.verdict != "ok" || report->failed.empty());
  if (outcome.verdict == "ok") must(parse_cell(cell_text(outcome))->copies == outcome.copies);
}

void fuzz_table(std::string_view text) {
  auto scenarios = parse_expectations(text);
  if (!scenarios) return;
  Table table{.policies = {kPolicies.begin(), kPolicies.end()}, .rows = {}, .native = {}};
  for (Scenario& scenario : *scenarios) {
    table.rows.push_back({std::move(scenario), {}});
    for (const std::string& policy : table.policies) {
      const Outcome& expected = table.rows.back().scenario.expected.at(policy);
      table.rows.back().cells.push_back({.measured = expected, .trouble = {}, .notes = {}});
    }
  }
  must(table.differences() == 0);
  std::ostringstream out, json;
  print_text(out, table);
  print_markdown(out, table);
  print_json(json, table);
  must(nlohmann::json::accept(json.str()));
}

}  // namespace
}  // namespace mmuscope::matrix

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mmuscope::matrix;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      fuzz_report(text);
      break;
    case 1:
      fuzz_table(text);
      break;
    default:
      (void)parse_native(text);
  }
  return 0;
}
