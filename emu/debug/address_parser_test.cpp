// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/address_parser.h"

#include <gtest/gtest.h>

namespace mmuscope::debug {
namespace {

struct Place {
  Place() {
    symbols.add(trace::SymbolTable({{0xffffffff80200000, 0x40, "mk::handle_trap"},
                                    {0xffffffff80200100, 0x40, "mk::File::read"},
                                    {0xffffffff80200200, 0x40, "mk::Inode::read"},
                                    {0xffffffff80200300, 0x40, "mk::Count::operator+"},
                                    {0xffffffff80200400, 0x40, "a+1"}}));
    symbols.add(trace::SymbolTable({{0x1000, 0x20, "main"}}), 0x555555554000);
    state.reg(x86::Gpr::kRsp) = 0x7fffffffe000;
    state.rip = 0x401000;
    state.kernel_gs_base = 0xffff888000000000;
  }

  // The address, or what is wrong with it.
  std::string parse(std::string_view text) const {
    const auto address = parse_address(text, state, symbols, KernelTypes());
    if (!address) return address.error().message;
    std::string digits;
    for (uint64_t rest = *address; rest != 0 || digits.empty(); rest /= 16)
      digits.insert(digits.begin(), "0123456789abcdef"[rest % 16]);
    return digits;
  }

  x86::CpuState state;
  Symbols symbols;
};

TEST(AddressParser, Numbers) {
  const Place place;
  EXPECT_EQ(place.parse("0x1f00"), "1f00");
  EXPECT_EQ(place.parse("0XFFFFffffFFFFffff"), "ffffffffffffffff");
  EXPECT_EQ(place.parse("4096"), "1000");
  EXPECT_EQ(place.parse("0x1000+0x10"), "1010");
  EXPECT_EQ(place.parse("0x10000000000000000"),
            "0x10000000000000000 is no number: write 0x... for hexadecimal");
  EXPECT_EQ(place.parse("7fff"), "7fff is no number: write 0x... for hexadecimal");
  EXPECT_EQ(place.parse("0x"), "0x is no number: write 0x... for hexadecimal");
}

TEST(AddressParser, Symbols) {
  const Place place;
  EXPECT_EQ(place.parse("mk::handle_trap"), "ffffffff80200000");
  EXPECT_EQ(place.parse("handle_trap+0x10"), "ffffffff80200010");
  EXPECT_EQ(place.parse("main+16"), "555555555010");
  EXPECT_EQ(place.parse("File::read"), "ffffffff80200100");
  EXPECT_EQ(place.parse("read"),
            "read is short for 2 symbols, mk::File::read and mk::Inode::read among them");
  EXPECT_EQ(place.parse("mk::Count::operator+"), "ffffffff80200300");
  EXPECT_EQ(place.parse("trap"), "no symbol is called trap");
  EXPECT_EQ(place.parse("main+"), "no symbol is called main+");
  EXPECT_EQ(place.parse(""), "no symbol is called ");
  EXPECT_EQ(place.parse("+8"), "no symbol is called +8");
}

TEST(AddressParser, Registers) {
  const Place place;
  EXPECT_EQ(place.parse("$rsp"), "7fffffffe000");
  EXPECT_EQ(place.parse("$rsp-8"), "7fffffffdff8");
  EXPECT_EQ(place.parse("$pc+0x5"), "401005");
  EXPECT_EQ(place.parse("$kernel_gs_base"), "ffff888000000000");
  EXPECT_EQ(place.parse("$r15"), "0");
  EXPECT_EQ(place.parse("$eax"), "no register is called $eax");
  EXPECT_EQ(place.parse("$"), "no register is called $");
}

TEST(AddressParser, DescribesWhereAProgramIsLoaded) {
  const Place place;
  EXPECT_EQ(place.symbols.describe(0x555555555008), "main+0x8");
  EXPECT_EQ(place.symbols.describe(0xffffffff80200000), "mk::handle_trap");
  EXPECT_EQ(place.symbols.describe(0x1000), "");
}

// A program's variable by its whole name, before a kernel's function that ends in it.
TEST(AddressParser, KnowsVariablesOfAProgram) {
  Symbols symbols;
  symbols.add(trace::SymbolTable({{.address = 0xffff8000, .size = 16, .name = "mk::Space::account"}}));
  EXPECT_EQ(symbols.find("account", {}), 0xffff8000u);
  symbols.add_data(trace::SymbolTable({{.address = 0x4000, .size = 8, .name = "account"}}), 0x1000);
  EXPECT_EQ(symbols.find("account", {}), 0x5000u);
  EXPECT_EQ(symbols.describe(0x5000), "");
}

}  // namespace
}  // namespace mmuscope::debug
