// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/option_values.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "memory/ram.h"

namespace mmuscope::cli {
namespace {

// A number at the start of `text`, which then is the rest.
std::optional<uint64_t> take_number(std::string_view& text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (result.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  return value;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  unsigned shift = 0;
  if (text == "K" || text == "k") {
    shift = 10;
  } else if (text == "M" || text == "m") {
    shift = 20;
  } else if (text == "G" || text == "g") {
    shift = 30;
  } else if (!text.empty()) {
    return std::nullopt;
  }
  if (*number > std::numeric_limits<uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

}  // namespace

CLI::Validator whole_number(uint64_t first, uint64_t last) {
  const auto judge = [first, last](std::string& text) -> std::string {
    std::string_view rest = text;
    const auto value = take_number(rest);
    if (value && rest.empty() && *value >= first && *value <= last) {
      text = fmt::to_string(*value);
      return {};
    }
    std::string wanted = fmt::format("'{}' is not a whole number", text);
    if (last != std::numeric_limits<uint64_t>::max())
      return wanted + fmt::format(" from {} to {}", first, last);
    return first == 0 ? wanted + " below 2^64" : wanted + fmt::format(" from {} on", first);
  };
  return CLI::Validator(judge, "");
}

CLI::Validator memory_size() {
  const auto judge = [](std::string& text) -> std::string {
    const auto bytes = parse_size(text);
    if (!bytes || !Ram::possible(*bytes))
      return fmt::format("'{}' is not a multiple of 2M from 16M to 64G", text);
    text = fmt::to_string(*bytes);
    return {};
  };
  return CLI::Validator(judge, "");
}

CLI::Validator byte_size() {
  const auto judge = [](std::string& text) -> std::string {
    const auto bytes = parse_size(text);
    if (!bytes) return fmt::format("'{}' is not a size: a number, with K, M or G", text);
    text = fmt::to_string(*bytes);
    return {};
  };
  return CLI::Validator(judge, "");
}

CLI::Validator not_empty() {
  return CLI::Validator([](std::string& text) { return text.empty() ? "is empty" : std::string(); }, "");
}

}  // namespace mmuscope::cli
