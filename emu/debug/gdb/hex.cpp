// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

void append_hex(std::string& digits, uint8_t byte) {
  digits += kDigits[byte >> 4];
  digits += kDigits[byte & 0xf];
}

}  // namespace

std::optional<uint8_t> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  std::string digits;
  digits.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) append_hex(digits, byte);
  return digits;
}

std::string to_hex(std::string_view text) {
  std::string digits;
  digits.reserve(2 * text.size());
  for (const char byte : text) append_hex(digits, static_cast<uint8_t>(byte));
  return digits;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    const auto high = hex_digit(digits[i]);
    const auto low = hex_digit(digits[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high << 4 | *low);
  }
  return bytes;
}

std::optional<uint64_t> take_hex(std::string_view& text) {
  uint64_t value = 0;
  size_t used = 0;
  for (; used < text.size(); used++) {
    const auto digit = hex_digit(text[used]);
    if (!digit) break;
    if (value >> 60) return std::nullopt;
    value = value << 4 | *digit;
  }
  if (used == 0) return std::nullopt;
  text.remove_prefix(used);
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace mmuscope::debug::gdb
