// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/verdict.h"

#include <algorithm>
#include <charconv>

namespace mmuscope::matrix {

bool is_verdict(std::string_view word) {
  return std::ranges::find(kVerdicts, word, &Verdict::word) != kVerdicts.end();
}

std::optional<Outcome> parse_cell(std::string_view text) {
  const size_t slash = text.find('/');
  Outcome outcome{.verdict = std::string(text.substr(0, slash)), .copies = {}, .reason = {}};
  if (!is_verdict(outcome.verdict)) return std::nullopt;
  if (slash == std::string_view::npos) return outcome;
  const std::string_view number = text.substr(slash + 1);
  uint64_t copies = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), copies);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  outcome.copies = copies;
  return outcome;
}

std::string cell_text(const Outcome& outcome) {
  // How much was copied on the way to a wrong result is of no matter.
  if (outcome.verdict != "ok" || !outcome.copies) return outcome.verdict;
  return outcome.verdict + "/" + std::to_string(*outcome.copies);
}

bool agrees(const Outcome& expected, const Outcome& measured) {
  return expected.verdict == measured.verdict && (!expected.copies || expected.copies == measured.copies);
}

}  // namespace mmuscope::matrix
