// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/varint.h"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "trace/crc32.h"

namespace mmuscope::trace {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes written(uint64_t value) {
  Bytes bytes;
  ByteWriter(bytes).number(value);
  return bytes;
}

template <typename T = uint64_t>
std::optional<T> read(const Bytes& bytes) {
  ByteReader reader(bytes);
  T value{};
  reader.number(value);
  return reader.ok() && reader.at_end() ? std::optional(value) : std::nullopt;
}

TEST(Varint, NumbersOfEveryLengthComeBackAndTakeAByteForSevenBits) {
  for (unsigned bits = 0; bits <= 64; ++bits) {
    for (const uint64_t value :
         {bits == 0 ? 0 : ~uint64_t{0} >> (64 - bits), bits == 0 ? 0 : uint64_t{1} << (bits - 1)}) {
      EXPECT_EQ(written(value).size(), bits == 0 ? 1 : (bits + 6) / 7) << value;
      EXPECT_EQ(read(written(value)), value);
    }
  }
}

TEST(Varint, LeastBitsComeFirst) {
  EXPECT_EQ(written(0), Bytes{0});
  EXPECT_EQ(written(0x7f), Bytes{0x7f});
  EXPECT_EQ(written(0x80), (Bytes{0x80, 0x01}));
  EXPECT_EQ(written(300), (Bytes{0xac, 0x02}));
}

TEST(Varint, ANumberOfMoreThan64BitsIsRefused) {
  Bytes bytes(9, 0xff);
  bytes.push_back(1);
  EXPECT_EQ(read(bytes), ~uint64_t{0});
  bytes.back() = 2;
  EXPECT_EQ(read(bytes), std::nullopt);
  bytes.back() = 0x81;
  bytes.push_back(0);
  EXPECT_EQ(read(bytes), std::nullopt);
}

TEST(Varint, ANumberThatIsCutIsRefused) {
  const Bytes whole = written(~uint64_t{0});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(read(Bytes(whole.begin(), whole.begin() + static_cast<long>(size))), std::nullopt) << size;
}

TEST(Varint, ANumberThatItsFieldCannotHoldIsRefused) {
  EXPECT_EQ(read<uint16_t>(written(0xffff)), 0xffff);
  EXPECT_EQ(read<uint16_t>(written(0x10000)), std::nullopt);
  EXPECT_EQ(read<bool>(written(1)), true);
  EXPECT_EQ(read<bool>(written(2)), std::nullopt);
}

TEST(Varint, SmallDifferencesOfEitherSignAreSmall) {
  EXPECT_EQ(zigzag(0), 0u);
  EXPECT_EQ(zigzag(0 - uint64_t{1}), 1u);
  EXPECT_EQ(zigzag(1), 2u);
  EXPECT_EQ(zigzag(0 - uint64_t{2}), 3u);
  EXPECT_EQ(zigzag(uint64_t{1} << 63), ~uint64_t{0});
}

TEST(Varint, DifferencesOfExtremesComeBack) {
  const uint64_t values[] = {0, 1, 0x7fff'ffff'ffff'ffff, uint64_t{1} << 63, ~uint64_t{0}};
  for (const uint64_t value : values) {
    for (const uint64_t base : values) {
      Bytes bytes;
      ByteWriter(bytes).difference(value, base);
      ByteReader reader(bytes);
      uint64_t back = 0;
      reader.difference(back, base);
      EXPECT_EQ(back, value);
      EXPECT_TRUE(reader.ok() && reader.at_end());
    }
  }
}

TEST(Varint, AfterTheFirstErrorEverythingIsZero) {
  const Bytes bytes = {0xff, 1, 2, 3};
  ByteReader reader(bytes);
  reader.fail();
  uint8_t byte = 9;
  uint32_t number = 9;
  char text[2] = {'x', 'x'};
  reader.byte(byte);
  reader.number(number);
  reader.text(text, 0);
  reader.text(text, 1);
  EXPECT_EQ(byte, 0);
  EXPECT_EQ(number, 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(reader.at_end());
}

TEST(Varint, TextEndsWhereTheBytesEnd) {
  Bytes bytes;
  ByteWriter(bytes).text("abc", 3);
  ByteReader reader(bytes);
  char text[4] = {};
  reader.text(text, 3);
  EXPECT_STREQ(text, "abc");
  reader.text(text, 0);
  EXPECT_TRUE(reader.ok());
  reader.text(text, 1);
  EXPECT_FALSE(reader.ok());
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Crc32, IsTheOneOfZlib) {
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32(bytes_of("a")), 0xe8b7be43u);
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32(bytes_of("The quick brown fox jumps over the lazy dog")), 0x414fa339u);
}

TEST(Crc32, TakesItsBytesInAnyPieces) {
  const Bytes whole = bytes_of("The quick brown fox jumps over the lazy dog");
  const std::span<const uint8_t> span = whole;
  for (size_t cut = 0; cut <= whole.size(); ++cut)
    EXPECT_EQ(crc32(span.subspan(cut), crc32(span.first(cut))), crc32(whole)) << cut;
}

TEST(Crc32, SeesEveryFlippedBit) {
  Bytes bytes = bytes_of("The quick brown fox");
  const uint32_t right = crc32(bytes);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_NE(crc32(bytes), right) << bit;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

}  // namespace
}  // namespace mmuscope::trace
