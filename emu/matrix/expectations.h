// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is known of the scenarios before they run: guest-tests/scenarios/expected.json, and what
// tools/scenarios-natively wrote of the same programs on a Linux.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "matrix/verdict.h"

namespace mmuscope::matrix {

struct Scenario {
  std::string id;  // "S01"; the program is "s01"
  std::string title, recipe;
  unsigned cpus = 1;                        // as many as it needs at least
  std::map<std::string, Outcome> expected;  // by policy: all of kPolicies

  std::string program() const;
};

// {"scenarios": [{"id", "title", "recipe", "cpus"?, "expected": {POLICY: CELL, ...}}, ...]}. kData.
Expected<std::vector<Scenario>> parse_expectations(std::string_view json);

struct NativeResults {
  std::string kernel;                       // "Linux 6.18.44"
  std::map<std::string, Outcome> outcomes;  // by scenario
};

// {"kernel": TEXT, "outcomes": {ID: "ok" | "LEAK" | "skip REASON", ...}}. kData.
Expected<NativeResults> parse_native(std::string_view json);

}  // namespace mmuscope::matrix
