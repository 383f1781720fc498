// SPDX-License-Identifier: GPL-2.0-or-later
//
// What options take, judged while the command line is read: whole numbers, sizes of memory, names of files.
// Each refuses everything else in one sentence, to which CLI11 adds the option in front. Numbers are decimal,
// or hexadecimal after 0x; nothing wraps around and nothing is octal.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "base/error.h"

namespace mmuscope::cli {

// For CLI::Option::transform.
CLI::Validator whole_number(uint64_t first = 0, uint64_t last = std::numeric_limits<uint64_t>::max());
// With K, M or G; a size that Ram::create takes. In bytes afterwards.
CLI::Validator memory_size();

// With K, M or G, 1M or more. In bytes afterwards.
CLI::Validator byte_size();

// For CLI::Option::check: an empty name is a shell variable that was not set, not a wish for the default.
CLI::Validator not_empty();

// For CLI::Option::check: a form of output, of which one is JSON by one name or the other.
CLI::Validator table_or(const std::string& json_name);

struct AddressRange {
  uint64_t first = 0, last = ~uint64_t{0};  // both included
};
// --address, in hexadecimal: "A", the page of A; "A-B", from A up to, not with, B; "A+N", N bytes from A; "",
// all. kUsage.
Expected<AddressRange> parse_address_range(const std::string& text);

}  // namespace mmuscope::cli
