// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "memory/bus.h"
#include "memory/ram.h"
#include "memory/watched_range.h"

namespace mmuscope {
namespace {

constexpr uint64_t kMiB = 1u << 20;

TEST(Ram, RefusesSizesOutsideItsRange) {
  for (const uint64_t bytes : {uint64_t{0}, 15 * kMiB, 17 * kMiB, 65 * 1024 * kMiB}) {
    const auto ram = Ram::create(bytes);
    ASSERT_FALSE(ram.has_value()) << bytes;
    EXPECT_EQ(ram.error().kind, ErrorKind::kUsage);
  }
}

TEST(Ram, LeavesAHoleBelowFourGiB) {
  const Ram ram = *Ram::create(4096 * kMiB);
  EXPECT_NE(ram.host(Ram::kLowLimit - 1), nullptr);
  EXPECT_EQ(ram.host(Ram::kLowLimit), nullptr);
  EXPECT_EQ(ram.host(0xfee00000), nullptr);
  EXPECT_NE(ram.host(Ram::kHighStart), nullptr);
  EXPECT_NE(ram.host(Ram::kHighStart + 1024 * kMiB - 1), nullptr);
  EXPECT_EQ(ram.host(Ram::kHighStart + 1024 * kMiB), nullptr);
  EXPECT_TRUE(ram.contains(0, Ram::kLowLimit));
  EXPECT_FALSE(ram.contains(0, Ram::kLowLimit + 1));
  EXPECT_FALSE(ram.contains(Ram::kHighStart, ~uint64_t{0}));
  for (const uint64_t address : {uint64_t{0}, Ram::kLowLimit - 4096, Ram::kHighStart, Ram::kHighStart + 4096})
    EXPECT_EQ(ram.page_address(ram.page_index(address)), address);
}

TEST(Ram, TellsDirtyPagesOnce) {
  Ram ram = *Ram::create(16 * kMiB);
  EXPECT_TRUE(ram.take_dirty().empty());
  ram.mark_dirty(0x5123);
  ram.mark_dirty(0x1000);
  EXPECT_TRUE(ram.is_dirty(0x5000));
  EXPECT_FALSE(ram.is_dirty(0x6000));
  EXPECT_EQ(ram.take_dirty(), (std::vector<uint64_t>{1, 5}));
  EXPECT_TRUE(ram.take_dirty().empty());
}

TEST(Ram, RestoresContentsAndZeroesTheRest) {
  Ram ram = *Ram::create(16 * kMiB);
  *ram.host(0x3000) = 7;
  StateWriter writer;
  ram.save(writer);
  *ram.host(0x3000) = 8;
  *ram.host(0x9000) = 9;
  StateReader reader(writer.bytes());
  ram.restore(reader);
  EXPECT_TRUE(reader.ok() && reader.at_end());
  EXPECT_EQ(*ram.host(0x3000), 7);
  EXPECT_EQ(*ram.host(0x9000), 0);
}

TEST(Ram, RefusesASnapshotOfAnotherSize) {
  Ram small = *Ram::create(16 * kMiB), large = *Ram::create(32 * kMiB);
  StateWriter writer;
  small.save(writer);
  StateReader reader(writer.bytes());
  large.restore(reader);
  EXPECT_FALSE(reader.ok());
}

struct Echo final : MmioDevice {
  uint64_t mmio_read(unsigned cpu, uint64_t offset, unsigned) override { return cpu * 0x1000 + offset; }
  void mmio_write(unsigned, uint64_t offset, unsigned, uint64_t value) override { last = offset + value; }
  uint64_t last = 0;
};

TEST(Bus, RoutesToRamDevicesAndNowhere) {
  Ram ram = *Ram::create(16 * kMiB);
  Bus bus(ram);
  Echo echo;
  bus.map(0xfee00000, 4096, echo);
  bus.write(0, 0x1000, 8, 0x1122334455667788);
  EXPECT_EQ(bus.read(0, 0x1000, 2), 0x7788u);
  EXPECT_EQ(bus.read(0, 0x1004, 4), 0x11223344u);
  EXPECT_TRUE(ram.is_dirty(0x1000));
  EXPECT_EQ(bus.read(3, 0xfee00020, 4), 0x3020u);
  bus.write(0, 0xfee00010, 4, 5);
  EXPECT_EQ(echo.last, 0x15u);
  EXPECT_EQ(bus.read(0, 0xfec00000, 4), 0xffffffffu);
  bus.write(0, 0xfec00000, 4, 1);
}

TEST(WatchedRange, CountsAccessesAndDistinctLines) {
  WatchedRange range("frames", 0x10000, 0x1000);
  const uint32_t window = range.open_window(7);
  range.count(0x10000, 8, false, 7);
  range.count(0x10008, 8, false, 7);
  range.count(0x1003c, 8, true, 7);  // two lines, one access
  range.count(0xffff, 1, true, 7);   // before
  range.count(0x11000, 8, true, 7);  // behind
  EXPECT_EQ(range.close_window(window), (WatchCounts{.reads = 2, .writes = 1, .lines = 2}));
  EXPECT_EQ(range.total(), (WatchCounts{.reads = 2, .writes = 1, .lines = 2}));
}

TEST(WatchedRange, WindowsNestAndEndInAnyOrder) {
  WatchedRange range("frames", 0, 0x1000);
  const uint32_t call = range.open_window(7);
  range.count(0, 8, false, 7);
  const uint32_t fault = range.open_window(7);
  range.count(64, 8, true, 7);
  EXPECT_EQ(range.close_window(call), (WatchCounts{.reads = 1, .writes = 1, .lines = 2}));
  range.count(0, 8, true, 7);
  EXPECT_EQ(range.close_window(fault), (WatchCounts{.reads = 0, .writes = 2, .lines = 2}));
}

TEST(WatchedRange, AWindowCountsWhatItsOwnerDoes) {
  WatchedRange range("frames", 0, 0x1000);
  const uint32_t one = range.open_window(7), other = range.open_window(-1);
  range.count(0, 8, false, 7);
  range.count(64, 8, true, 8);
  range.count(128, 8, true, -1);
  range.change_owner(7, 8);
  range.count(192, 8, true, 7);
  range.count(256, 8, true, 8);
  EXPECT_EQ(range.close_window(one), (WatchCounts{.reads = 1, .writes = 1, .lines = 2}));
  EXPECT_EQ(range.close_window(other), (WatchCounts{.reads = 0, .writes = 1, .lines = 1}));
  EXPECT_EQ(range.total(), (WatchCounts{.reads = 1, .writes = 4, .lines = 5}));
}

TEST(WatchedRange, StateRoundTripKeepsOpenWindows) {
  WatchedRange range("frames", 0, 0x1000), other("", 0, 0);
  const uint32_t window = range.open_window(7);
  range.count(0, 8, false, 7);
  StateWriter writer;
  range.save(writer);
  StateReader reader(writer.bytes());
  other.restore(reader);
  EXPECT_TRUE(reader.ok() && reader.at_end());
  other.count(0, 8, false, 7);
  EXPECT_EQ(other.name(), "frames");
  EXPECT_EQ(other.close_window(window), (WatchCounts{.reads = 2, .writes = 0, .lines = 1}));
}

}  // namespace
}  // namespace mmuscope
