// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/disassembler.h"

#include <gtest/gtest.h>

namespace mmuscope::debug {
namespace {

struct DisassemblerTest : testing::Test {
  DisassemblerTest() {
    symbols.add(trace::SymbolTable({{.address = 0x401000, .size = 0x20, .name = "main"},
                                    {.address = 0x401100, .size = 0x10, .name = "bump"}}));
  }
  std::optional<Instruction> decode(std::vector<uint8_t> bytes, uint64_t address = 0x401000) {
    return disassembler.decode(bytes, address);
  }
  Symbols symbols;
  Disassembler disassembler{symbols};
};

TEST_F(DisassemblerTest, NamesWhatIsCalled) {
  const auto call = decode({0xe8, 0xfb, 0, 0, 0});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->text, "call   0x401100 <bump>");
  EXPECT_EQ(call->target, 0x401100u);
  EXPECT_EQ(call->next(), 0x401005u);
  EXPECT_EQ(call->kind, Instruction::Kind::kCall);
}

TEST_F(DisassemblerTest, NamesWhatIsAddressedByRip) {
  const auto load = decode({0x8b, 0x05, 0xfe, 0, 0, 0});
  ASSERT_TRUE(load);
  EXPECT_NE(load->text.find("# 0x401104 <bump+0x4>"), std::string::npos) << load->text;
}

TEST_F(DisassemblerTest, KnowsTheInstructionsThatSteppingCaresFor) {
  EXPECT_EQ(decode({0xc3})->kind, Instruction::Kind::kReturn);
  EXPECT_EQ(decode({0x48, 0xcf})->kind, Instruction::Kind::kTrapReturn);
  EXPECT_EQ(decode({0x48, 0x0f, 0x07})->kind, Instruction::Kind::kTrapReturn);
  EXPECT_EQ(decode({0x0f, 0x05})->kind, Instruction::Kind::kSyscall);
  EXPECT_EQ(decode({0x55})->kind, Instruction::Kind::kPush);
  EXPECT_EQ(decode({0x90})->kind, Instruction::Kind::kOther);
}

TEST_F(DisassemblerTest, HasNothingForWhatIsCutOffOrNoCode) {
  EXPECT_FALSE(decode({}));
  EXPECT_FALSE(decode({0xe8, 0xfb}));
  EXPECT_FALSE(decode({0x06}));
}

TEST_F(DisassemblerTest, DamagedImagesHaveNoCode) {
  std::vector<uint8_t> elf(64, 0xff);
  disassembler.add_code(elf, 0);
  disassembler.add_code(std::span(elf).first(10), 0);
  EXPECT_TRUE(disassembler.code_at(0x401000).empty());
}

}  // namespace
}  // namespace mmuscope::debug
