// SPDX-License-Identifier: GPL-2.0-or-later
//
// Against the real kernel image, whose lines move with its source: what is asked for is what must hold for
// any.
#include "debug/source_lines.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "debug/address_parser.h"
#include "debug/elf_file.h"
#include "debug/fake_kernel.h"

namespace mmuscope::debug {
namespace {

struct SourceLinesTest : testing::Test {
  SourceLinesTest() {
    lines.add(minikernel_image());
    symbols.add(read_symbols(minikernel_image()));
  }
  uint64_t function(const char* name) { return symbols.find(name, minikernel_types()).value(); }
  SourceLines lines;
  Symbols symbols;
};

TEST_F(SourceLinesTest, KnowsFileAndLineOfAFunction) {
  const uint64_t address = function("mk::AddressSpace::handle_mm_fault");
  const SourceLines::Row* row = lines.statement_at(address);
  ASSERT_NE(row, nullptr);
  EXPECT_TRUE(lines.file(*row).ends_with("mm/fault.cpp")) << lines.file(*row);
  EXPECT_EQ(lines.describe(address), lines.short_name(row->file) + ":" + std::to_string(row->line));
  EXPECT_EQ(lines.statement_at(address + 1), nullptr) << "inside an instruction";
}

TEST_F(SourceLinesTest, FindsTheAddressesOfALine) {
  const uint64_t address = function("mk::AddressSpace::handle_mm_fault");
  const auto found = lines.addresses("fault.cpp", lines.find(address)->line);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(std::ranges::binary_search(*found, address));
}

TEST_F(SourceLinesTest, ALineWithoutCodeIsTheNextOneWithSome) {
  const auto first = lines.addresses("mm/fault.cpp", 1);
  ASSERT_TRUE(first);
  EXPECT_GT(lines.find(first->front())->line, 1u);
}

TEST_F(SourceLinesTest, SaysWhatIsNotThere) {
  EXPECT_EQ(lines.addresses("nothing.c", 1).error().message, "no source file is called nothing.c");
  EXPECT_EQ(lines.addresses("ault.cpp", 1).error().message, "no source file is called ault.cpp");
  EXPECT_EQ(lines.addresses("mm/fault.cpp", 999999).error().message,
            "mm/fault.cpp has no code at line 999999");
  EXPECT_EQ(lines.find(0x1234), nullptr);
  EXPECT_EQ(lines.describe(0x1234), "");
}

TEST_F(SourceLinesTest, OptimizedFunctionsAreStoppedAtTheirFirstInstruction) {
  const uint64_t address = function("mk::AddressSpace::handle_mm_fault");
  EXPECT_EQ(lines.after_prologue(address, address + 100), address);
}

TEST_F(SourceLinesTest, AnImageMayBeLoadedElsewhere) {
  SourceLines moved;
  moved.add(minikernel_image(), 0x1000);
  const uint64_t address = function("mk::AddressSpace::handle_mm_fault");
  ASSERT_NE(moved.statement_at(address + 0x1000), nullptr);
  EXPECT_EQ(moved.find(address + 0x1000)->line, lines.find(address)->line);
}

TEST_F(SourceLinesTest, TakesImagesWithoutLinesAndNoImages) {
  SourceLines none;
  none.add({});
  const std::vector<uint8_t> text(1000, 'x');
  none.add(text);
  none.add(std::span(minikernel_image()).first(5000));
  EXPECT_EQ(none.find(0xffffffff80200000), nullptr);
}

TEST_F(SourceLinesTest, ReadsSourceFromAFolder) {
  const SourceLines::Row row = *lines.find(function("mk::AddressSpace::handle_mm_fault"));
  EXPECT_FALSE(lines.text(row.file, row.line)) << "the kernel's paths are relative";
  lines.add_folder(std::string(SOURCE_FOLDER) + "/minikernel");
  ASSERT_TRUE(lines.text(row.file, row.line));
  EXPECT_EQ(lines.text(row.file, 1), "// SPDX-License-Identifier: GPL-2.0-or-later");
  EXPECT_FALSE(lines.text(row.file, 0));
  EXPECT_FALSE(lines.text(row.file, lines.line_count(row.file) + 1));
}

}  // namespace
}  // namespace mmuscope::debug
