// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/error.h"
#include "base/state_io.h"

namespace mmuscope {
namespace {

TEST(Check, PassesSilentlyAndDiesWithContext) {
  EMU_CHECK(1 + 1 == 2, "arithmetic");
  EXPECT_DEATH(EMU_CHECK(1 + 1 == 3, "arithmetic"), "base_test.cpp:[0-9]+: arithmetic \\(1 \\+ 1 == 3\\)");
  EXPECT_DEATH(
      {
        set_check_context([] { return std::string("icount 42; replay with: mmuscope replay"); });
        EMU_CHECK(false, "context follows");
      },
      "context follows.*\n.*icount 42");
}

TEST(Error, CarriesKindAndMessage) {
  const Expected<int> result = fail(ErrorKind::kUsage, "no such file");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(result.error().message, "no such file");
}

enum class Colour : uint8_t { kRed = 1, kGreen = 2 };
struct Pair {
  uint32_t a = 0, b = 0;
  bool operator==(const Pair&) const = default;
};

TEST(StateIo, RoundTrip) {
  StateWriter writer;
  writer.tag("TEST");
  writer.put(uint16_t{0x1234});
  writer.put(Colour::kGreen);
  writer.put(Pair{1, 2});
  writer.put_bytes(std::vector<uint8_t>{7, 8, 9});
  writer.put(int64_t{-5});
  const std::vector<uint8_t> head{'T', 'E', 'S', 'T', 0x34, 0x12, 2};
  EXPECT_TRUE(std::equal(head.begin(), head.end(), writer.bytes().begin()));  // little-endian, no padding

  StateReader reader(writer.bytes());
  reader.expect_tag("TEST");
  EXPECT_EQ(reader.get<uint16_t>(), 0x1234);
  EXPECT_EQ(reader.get<Colour>(), Colour::kGreen);
  Pair pair;
  reader.get(pair);
  EXPECT_EQ(pair, (Pair{1, 2}));
  EXPECT_EQ(reader.get_bytes(), (std::vector<uint8_t>{7, 8, 9}));
  EXPECT_FALSE(reader.at_end());
  EXPECT_EQ(reader.get<int64_t>(), -5);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.at_end());
}

TEST(StateIo, WrongTagIsReported) {
  StateWriter writer;
  writer.tag("AAAA");
  StateReader reader(writer.bytes());
  reader.expect_tag("BBBB");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.problem(), "expected component BBBB");
}

TEST(StateIo, TruncationGivesZerosAndTheFirstProblem) {
  StateWriter writer;
  writer.put(uint32_t{1});
  writer.put(~uint64_t{0});  // as a length: longer than anything
  StateReader reader(writer.bytes());
  EXPECT_EQ(reader.get<uint32_t>(), 1u);
  EXPECT_TRUE(reader.get_bytes().empty());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.get<uint8_t>(), 0);
  reader.fail("a later problem");
  EXPECT_EQ(reader.problem(), "snapshot is truncated");
}

}  // namespace
}  // namespace mmuscope
