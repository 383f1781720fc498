// SPDX-License-Identifier: GPL-2.0-or-later
//
// How JSON is written everywhere: one object a line, addresses and entries as text, because numbers of 64
// bits do not survive most readers. Bytes that are no UTF-8 - names come from programs inside - are replaced.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace mmuscope::trace {

using Json = nlohmann::ordered_json;

inline std::string hex(uint64_t value) { return fmt::format("0x{:016x}", value); }

// With the newline.
inline std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mmuscope::trace
