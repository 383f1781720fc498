// SPDX-License-Identifier: GPL-2.0-or-later
//
// Numbers in text.
#pragma once

#include <stdint.h>

namespace mk {

// A whole text of decimal digits, or of hexadecimal ones behind 0x, that fits 64 bits.
inline bool parse_number(const char* text, uint64_t& value) {
  unsigned base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
  if (base == 16) text += 2;
  if (*text == 0) return false;
  value = 0;
  for (; *text != 0; ++text) {
    unsigned lower = static_cast<unsigned char>(*text) | 0x20;
    unsigned digit = *text >= '0' && *text <= '9'   ? *text - '0'
                     : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                    : 16;
    uint64_t next;
    if (digit >= base || __builtin_mul_overflow(value, base, &next) ||
        __builtin_add_overflow(next, digit, &value))
      return false;
  }
  return true;
}

}  // namespace mk
