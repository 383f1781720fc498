// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a scenario ended (guest-tests/scenarios/tap.h), and how many pages were copied on the way. Written as a
// cell of the table: "ok/1", "LEAK", "skip".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mmuscope::matrix {

// What the kernel decides copy-on-write by (minikernel/mm/cow/): the columns, in this order.
inline constexpr std::array<std::string_view, 6> kPolicies{"mapcount",       "page-count", "unshare-mapcount",
                                                           "anon-exclusive", "pte",        "pte-group"};

inline constexpr std::array<std::string_view, 10> kVerdicts{"ok",     "LEAK",    "LOSTDMA", "STALE", "LOSTWP",
                                                            "LOSTSD", "FALSESD", "TORN",    "HANG",  "LOSTW"};
inline constexpr std::string_view kSkip = "skip";

struct Outcome {
  std::string verdict;             // one of kVerdicts, or kSkip
  std::optional<uint64_t> copies;  // nothing: not known, or of no matter
  std::string reason;              // of a skip

  bool operator==(const Outcome&) const = default;
};

bool is_verdict(std::string_view word);  // of kVerdicts

// "ok", "ok/3", "LEAK"; nothing for anything else.
std::optional<Outcome> parse_cell(std::string_view text);
std::string cell_text(const Outcome& outcome);

// Whether what happened is what was expected: the verdict, and the copies where some are expected.
bool agrees(const Outcome& expected, const Outcome& measured);

}  // namespace mmuscope::matrix
