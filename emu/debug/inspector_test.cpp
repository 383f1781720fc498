// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/inspector.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "debug/fake_target.h"
#include "debug/inspection_text.h"

namespace mmuscope::debug {
namespace {

using x86::AccessType;
using x86::FaultReason;

constexpr uint64_t kP = FakeTarget::kP, kW = FakeTarget::kW, kU = FakeTarget::kU, kPs = FakeTarget::kPs,
                   kXd = FakeTarget::kXd;
constexpr uint64_t kUserPage = 0x7ffff7fff000;
constexpr uint64_t kKernelPage = 0xffffffff80200000;

struct Machine {
  FakeTarget target;
  Inspector inspector{target};

  WalkReport walk(uint64_t linear) { return inspector.walk(inspector.context(0), linear); }
  TableReport tables(uint64_t first = 0, uint64_t last = ~uint64_t{0}) {
    return inspector.ranges(inspector.context(0), first, last);
  }
};

std::optional<FaultReason> reason(const WalkReport& walk, bool user, AccessType type) {
  const auto& fault = walk.verdict(user, type).fault;
  return fault ? std::optional(fault->reason) : std::nullopt;
}

TEST(Inspector, AWalkNamesEveryEntryAndJudgesEveryAccess) {
  Machine machine;
  machine.target.map(kUserPage, 0x12000 | kP | kU | kXd);
  const std::vector<uint8_t> before = machine.target.memory;
  const WalkReport walk = machine.walk(kUserPage + 0x123);
  ASSERT_EQ(walk.trace.count, 4);
  EXPECT_EQ(walk.trace.steps[0].level, 4);
  EXPECT_EQ(walk.trace.last().entry_before, 0x12000 | kP | kU | kXd);
  ASSERT_TRUE(walk.page);
  EXPECT_EQ(walk.page->physical(walk.linear), 0x12123u);
  EXPECT_EQ(reason(walk, true, AccessType::kRead), std::nullopt);
  EXPECT_EQ(reason(walk, true, AccessType::kWrite), FaultReason::kWriteProtected);
  EXPECT_EQ(reason(walk, true, AccessType::kFetch), FaultReason::kExecuteDisable);
  EXPECT_EQ(reason(walk, false, AccessType::kRead), FaultReason::kSmap);
  EXPECT_EQ(reason(walk, false, AccessType::kFetch), FaultReason::kSmep);
  EXPECT_EQ(machine.target.memory, before);
}

TEST(Inspector, AWalkEndsAtWhatIsNotPresentOrReserved) {
  Machine machine;
  EXPECT_EQ(machine.walk(kUserPage).trace.count, 1);
  EXPECT_FALSE(machine.walk(kUserPage).page);
  machine.target.map(kKernelPage, kP | kW | kPs | 0x2000, 2);  // bit 13 of a 2-MByte page
  const WalkReport walk = machine.walk(kKernelPage);
  EXPECT_EQ(walk.trace.count, 3);
  EXPECT_EQ(reason(walk, false, AccessType::kRead), FaultReason::kReservedBit);
  EXPECT_FALSE(machine.walk(0x800000000000).canonical);
}

TEST(Inspector, FiveLevelsAndLargePages) {
  Machine machine;
  FakeTarget::page(machine.target.cpus[0], true);
  machine.target.map(0xff11000000000000, kP | kW | kPs | kXd, 3);
  machine.target.map(0x123400000, kP | kW | kU | kPs, 2);
  const WalkReport walk = machine.walk(0xff11000012345678);
  EXPECT_EQ(walk.trace.count, 3);
  ASSERT_TRUE(walk.page);
  EXPECT_EQ(walk.page->size, x86::PageSize::k1G);
  const TableReport tables = machine.tables();
  ASSERT_EQ(tables.ranges.size(), 2u);
  EXPECT_EQ(tables.ranges[0].first.linear, 0x123400000u);
  EXPECT_EQ(tables.ranges[0].first.level, 2);
  EXPECT_EQ(tables.ranges[1].first.linear, 0xff11000000000000u);
  EXPECT_EQ(tables.ranges[1].last_byte(), 0xff1100003fffffffu);
  EXPECT_EQ(print_walk(walk, "").text.substr(0, 74),
            "0xff11000012345678: CR3 0x0000000000001000, 5-level paging\n  pml5[273]  at");
}

TEST(Inspector, RangesJoinWhatLooksAlike) {
  Machine machine;
  for (unsigned i = 0; i < 8; ++i) {
    const uint64_t accessed = i < 3 ? x86::pte::kAccessed : 0;
    machine.target.map(kUserPage - 0x8000 + i * 0x1000, (0x20000 - i * 0x1000) | kP | kU | kXd | accessed);
  }
  machine.target.map(kUserPage, 0x9000 | kP | kU | kW | kXd | uint64_t{1} << 52);
  machine.target.map(kUserPage - 0x2000, 0x9000 | x86::pte::kGlobal | kXd);  // PROT_NONE
  const TableReport tables = machine.tables();
  ASSERT_EQ(tables.ranges.size(), 4u);
  EXPECT_EQ(tables.ranges[0].pages, 6u);
  EXPECT_EQ(tables.ranges[0].accessed, 3u);
  EXPECT_FALSE(tables.ranges[1].first.present());
  EXPECT_EQ(tables.ranges[2].pages, 1u);
  EXPECT_TRUE(tables.ranges[3].first.writable);
  EXPECT_FALSE(tables.stopped);
  const std::string text = print_tables(tables).text;
  EXPECT_NE(text.find("00007ffff7ff7000-00007ffff7ffcfff    24K 4K       6       3       0 ur--"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("urw-    EXCL\n"), std::string::npos) << text;
}

TEST(Inspector, RightsAreThoseOfTheWholePath) {
  Machine machine;
  machine.target.map(kUserPage, 0x12000 | kP | kU | kW);
  machine.target.put(x86::kPageSize + 8 * 255, machine.target.get(x86::kPageSize + 8 * 255) & ~(kW | kU));
  const TableReport tables = machine.tables();
  ASSERT_EQ(tables.ranges.size(), 1u);
  EXPECT_FALSE(tables.ranges[0].first.writable);
  EXPECT_FALSE(tables.ranges[0].first.user);
  EXPECT_TRUE(tables.ranges[0].first.executable);
}

TEST(Inspector, ARangeLeavesOutTheRest) {
  Machine machine;
  machine.target.map(kUserPage, 0x12000 | kP | kU);
  machine.target.map(kKernelPage, kP | kPs, 2);
  EXPECT_EQ(machine.tables(kUserPage + 5, kUserPage + 5).ranges.size(), 1u);
  EXPECT_EQ(machine.tables(kUserPage + 0x1000, kKernelPage - 1).ranges.size(), 0u);
  EXPECT_EQ(machine.tables(kKernelPage + 0x1fffff, ~uint64_t{0}).ranges.size(), 1u);
  EXPECT_EQ(machine.tables(0, uint64_t{1} << 63).ranges.size(), 1u);
}

// The way of operating systems that map their tables into themselves: every table shows up as a page.
TEST(Inspector, ATableThatPointsToItselfOnce) {
  Machine machine;
  machine.target.map(kUserPage, 0x12000 | kP | kU);
  machine.target.put(x86::kPageSize + 8 * 511, x86::kPageSize | kP | kW);
  const TableReport tables = machine.tables();
  EXPECT_FALSE(tables.stopped);
  EXPECT_EQ(tables.ranges.front().first.linear, kUserPage);
  EXPECT_EQ(tables.ranges.back().last_byte(), ~uint64_t{0});
  uint64_t pages = 0;
  for (const MappedRange& range : tables.ranges) pages += range.pages;
  EXPECT_EQ(pages, 1u + 4u);  // what is mapped, and one for each table
}

TEST(Inspector, ATableFullOfItselfEnds) {
  for (const bool la57 : {false, true}) {
    Machine machine;
    FakeTarget::page(machine.target.cpus[0], la57);
    for (unsigned i = 0; i < 512; ++i)
      machine.target.put(x86::kPageSize + 8 * i, x86::kPageSize | kP | kW | kU);
    const TableReport tables = machine.tables();
    EXPECT_TRUE(tables.stopped);
    EXPECT_EQ(tables.ranges.size(), 1u);
    EXPECT_NE(print_tables(tables).text.find("given up at 0x"), std::string::npos);
  }
}

TEST(Inspector, TablesBeyondMemoryReadAsAllOnes) {
  Machine machine;
  machine.target.put(x86::kPageSize, 0x7fff000 | kP | kW | kU);
  const TableReport tables = machine.tables();
  ASSERT_EQ(tables.ranges.size(), 1u);
  EXPECT_TRUE(tables.ranges[0].first.reserved);
  EXPECT_EQ(tables.ranges[0].pages, 512u);
  machine.target.cpus[0].cr3 = 0xffffff000;
  EXPECT_TRUE(machine.tables().ranges.at(0).first.reserved);
  EXPECT_FALSE(machine.walk(0).page);
}

TEST(Inspector, WithoutPagingThereIsNothingToShow) {
  Machine machine;
  machine.target.cpus[0].cr0 = x86::cr0::kPe;
  EXPECT_TRUE(machine.tables().ranges.empty());
  EXPECT_EQ(machine.walk(0x5000).trace.count, 0);
  EXPECT_EQ(print_walk(machine.walk(0x5000), "").text,
            "0x0000000000005000: paging is off, the address is physical\n");
}

// Whatever stands in the tables: an end, lines that fit, and verdicts that agree with the ranges.
TEST(Inspector, RandomTables) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 12; ++round) {
    Machine machine;
    FakeTarget::page(machine.target.cpus[0], round % 2);
    const uint64_t pages = machine.target.memory.size() / x86::kPageSize;
    for (uint64_t at = 0; at < machine.target.memory.size(); at += 8) {
      const uint64_t sane = (random() % pages) << 12 | (random() & 0xf7f) | (random() & kXd);
      const bool empty = random() % 64 != 0;
      machine.target.put(at, empty ? 0 : round % 3 == 0 ? random() : sane | (round % 3 == 1 ? kP : 0));
    }
    const std::vector<uint8_t> before = machine.target.memory;
    const TableReport tables = machine.tables();
    for (size_t i = 0; i < tables.ranges.size(); i += 1 + tables.ranges.size() / 50) {
      const MappedRange& range = tables.ranges[i];
      for (const uint64_t linear : {range.first.linear, range.last_byte()}) {
        const WalkReport walk = machine.walk(linear);
        ASSERT_EQ(walk.page.has_value(), range.first.maps()) << std::hex << linear;
        ASSERT_EQ(walk.page && walk.page->writable, range.first.maps() && range.first.writable);
        (void)print_walk(walk, "symbol");
      }
    }
    std::istringstream lines(print_tables(tables).text);
    for (std::string line; std::getline(lines, line);) ASSERT_LE(line.size(), 120u) << line;
    EXPECT_EQ(machine.target.memory, before);
  }
}

}  // namespace
}  // namespace mmuscope::debug
