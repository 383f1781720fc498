// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads what a scenario program has written: TAP (testanything.org, version 13) that ends with a verdict
// (guest-tests/scenarios/tap.h). What contradicts itself is refused: a verdict counts only when the lines
// above it bear it out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "matrix/verdict.h"

namespace mmuscope::matrix {

// How the line begins by which a program gives up.
inline constexpr std::string_view kBailOut = "Bail out!";

struct TapReport {
  Outcome outcome;
  std::vector<std::string> failed;  // the lines that say "not ok"
};

// Any bytes. kData: one sentence, without the program's name.
Expected<TapReport> parse_tap(std::string_view text);

}  // namespace mmuscope::matrix
