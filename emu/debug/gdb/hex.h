// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hexadecimal as gdb's remote protocol writes it: two digits a byte, numbers big-endian without a prefix.
// What gdb sent is read by taking pieces off the front of a string_view; nothing here trusts its input.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mmuscope::debug::gdb {

std::optional<uint8_t> hex_digit(char digit);

std::string to_hex(std::span<const uint8_t> bytes);
std::string to_hex(std::string_view text);
// Nothing when a character is no digit, or one digit is left over.
std::optional<std::string> from_hex(std::string_view digits);

// The number at the front of `text`, which is taken off; nothing, and `text` as it was, when there is none or
// it does not fit.
std::optional<uint64_t> take_hex(std::string_view& text);
// Whether `text` started with `prefix`, which is taken off.
bool take(std::string_view& text, std::string_view prefix);

}  // namespace mmuscope::debug::gdb
