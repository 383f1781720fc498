// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/symbol_table.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

namespace mmuscope::trace {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes encoded(const SymbolTable& table) {
  Bytes bytes;
  EXPECT_TRUE(table.encode(bytes));
  return bytes;
}

std::optional<SymbolTable> decoded(const Bytes& bytes) {
  ByteReader reader(bytes);
  SymbolTable table;
  if (!SymbolTable::decode(reader, table) || !reader.at_end()) return std::nullopt;
  return table;
}

TEST(SymbolTable, FindsTheSymbolThatAnAddressLiesIn) {
  const SymbolTable table({{0x2000, 0x10, "second"}, {0x1000, 0, "first"}});
  EXPECT_EQ(table.describe(0xfff), "");
  EXPECT_EQ(table.describe(0x1000), "first");
  EXPECT_EQ(table.describe(0x1fff), "first+0xfff");  // no size: up to the next
  EXPECT_EQ(table.describe(0x200f), "second+0xf");
  EXPECT_EQ(table.describe(0x2010), "");
  EXPECT_EQ(table.describe(~uint64_t{0}), "");
}

TEST(SymbolTable, OfSeveralAtOneAddressTheLargestStaysThenTheFirstByName) {
  const SymbolTable table({{1, 4, "b"}, {1, 8, "z"}, {1, 8, "y"}, {2, 0, "d"}, {2, 0, "c"}});
  EXPECT_EQ(table.symbols(), (std::vector<Symbol>{{1, 8, "y"}, {2, 0, "c"}}));
}

TEST(SymbolTable, ComesBack) {
  for (const SymbolTable& table :
       {SymbolTable(), SymbolTable({{0, 0, ""}}),
        SymbolTable({{0, ~uint64_t{0}, "a"}, {~uint64_t{0}, 1, "ab"}}),
        SymbolTable({{1, 1, "_ZN2mk4mainEv"}, {2, 1, "_ZN2mk4"}, {3, 1, "x"}, {9, 1, "_ZN2mk5otherEv"}})})
    EXPECT_EQ(decoded(encoded(table)), table);
}

TEST(SymbolTable, ANameOfAnyLengthComesBack) {
  const SymbolTable table({{1, 1, std::string(100'000, 'a')}, {2, 1, std::string(100'000, 'a') + 'b'}});
  EXPECT_EQ(decoded(encoded(table)), table);
}

TEST(SymbolTable, IsRefusedWhenItIsCut) {
  const Bytes bytes = encoded(SymbolTable({{1, 1, "main"}, {2, 300, "mainly"}, {1000, 0, "x"}}));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decoded(Bytes(bytes.begin(), bytes.begin() + static_cast<long>(size))), std::nullopt) << size;
}

TEST(SymbolTable, AddressesThatDoNotRiseAreRefused) {
  EXPECT_TRUE(decoded({2, 1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_FALSE(decoded({2, 1, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(SymbolTable, ACountThatIsALieIsRefused) { EXPECT_FALSE(decoded({0xff, 0xff, 0xff, 0x7f})); }

// Each symbol of four bytes says again what a long name before it said.
TEST(SymbolTable, FewBytesDoNotBecomeManyNames) {
  Bytes bytes;
  ByteWriter writer(bytes);
  constexpr uint64_t kSymbols = 200'000, kName = 60'000;
  writer.number(kSymbols);
  for (uint64_t i = 0; i < kSymbols; ++i) {
    writer.number(1);
    writer.number(0);
    writer.number(i == 0 ? 0 : kName);
    writer.number(i == 0 ? kName : 0);
    if (i == 0) bytes.resize(bytes.size() + kName, 'a');
  }
  EXPECT_FALSE(decoded(bytes));
}

TEST(SymbolTable, AnyBytesAreReadWithoutHarm) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random() % 60);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> random() % 8) & 0x8f;
    if (const auto table = decoded(bytes)) {
      EXPECT_EQ(decoded(encoded(*table)), table);
    }
  }
}

}  // namespace
}  // namespace mmuscope::trace
