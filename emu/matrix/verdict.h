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

struct Verdict {
  std::string_view word;
  std::string_view meaning;  // for a person: what was seen
};
inline constexpr std::array<Verdict, 10> kVerdicts{{
    {"ok", "as it has to be; /N: N pages were copied on the way"},
    {"LEAK", "somebody reads what he must not: a child its parent's later writes, or the other way round"},
    {"LOSTDMA", "what a device writes and what its process reads and writes are two different pages"},
    {"STALE", "a device that reads memory does not see what its process writes there"},
    {"LOSTWP", "a write to a protected page was not told to the monitor"},
    {"LOSTSD", "a page was written and has no soft-dirty mark"},
    {"FALSESD", "a page has a soft-dirty mark and was not written"},
    {"TORN", "a child sees the later of two writes without the earlier"},
    {"HANG", "nothing happens any more"},
    {"LOSTW", "a process does not read what it has written itself"},
}};
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
