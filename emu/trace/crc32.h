// SPDX-License-Identifier: GPL-2.0-or-later
//
// CRC-32 as in zlib, PNG and Ethernet: polynomial 0xedb88320, reflected, inverted at both ends. Eight bytes a
// step
// ("slicing by 8": table k holds the effect of a byte that k more bytes follow), because a trace is written
// while a machine runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mmuscope::trace {

inline constexpr auto kCrcTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    tables[0][i] = crc;
  }
  for (uint32_t i = 0; i < 256; ++i)
    for (size_t k = 1; k < 8; ++k) tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
  return tables;
}();

// `crc` is the result for what came before.
constexpr uint32_t crc32(std::span<const uint8_t> bytes, uint32_t crc = 0) {
  const auto& t = kCrcTables;
  crc = ~crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    crc ^= uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
    crc = t[7][crc & 0xff] ^ t[6][crc >> 8 & 0xff] ^ t[5][crc >> 16 & 0xff] ^ t[4][crc >> 24] ^
          t[3][bytes[4]] ^ t[2][bytes[5]] ^ t[1][bytes[6]] ^ t[0][bytes[7]];
  }
  for (const uint8_t byte : bytes) crc = crc >> 8 ^ t[0][(crc ^ byte) & 0xff];
  return ~crc;
}

}  // namespace mmuscope::trace
