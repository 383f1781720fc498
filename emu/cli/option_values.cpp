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

// Hexadecimal, with or without 0x.
bool parse_address(std::string_view text, uint64_t& value) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && !text.empty();
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
    if (!bytes || *bytes < uint64_t{1} << 20)
      return fmt::format("'{}' is not a size from 1M on: a number, with K, M or G", text);
    text = fmt::to_string(*bytes);
    return {};
  };
  return CLI::Validator(judge, "");
}

Expected<AddressRange> parse_address_range(const std::string& text) {
  if (text.empty()) return AddressRange();
  const auto bad = [&] {
    return fail(
        ErrorKind::kUsage,
        fmt::format("--address {}: is neither ADDRESS, FROM-TO nor FROM+BYTES, in hexadecimal", text));
  };
  const size_t separator = text.find_first_of("-+");
  uint64_t first = 0, second = 0;
  if (!parse_address(std::string_view(text).substr(0, separator), first)) return bad();
  if (separator == std::string::npos)
    return AddressRange{.first = first & ~uint64_t{0xfff}, .last = first | 0xfff};
  if (!parse_address(std::string_view(text).substr(separator + 1), second)) return bad();
  const uint64_t end = text[separator] == '+' ? first + second : second;
  if (end <= first) return fail(ErrorKind::kUsage, fmt::format("--address {}: is an empty range", text));
  return AddressRange{.first = first, .last = end - 1};
}

CLI::Validator table_or(const std::string& json_name) {
  const auto judge = [json_name](std::string& text) -> std::string {
    if (text == "table" || text == json_name) return {};
    const char* json = json_name == "json" ? "one object" : "an object a line";
    return fmt::format("'{}' is neither table nor {}, {}", text, json_name, json);
  };
  return CLI::Validator(judge, "");
}

CLI::Validator not_empty() {
  return CLI::Validator([](std::string& text) { return text.empty() ? "is empty" : std::string(); }, "");
}

}  // namespace mmuscope::cli
