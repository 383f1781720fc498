// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/local_apic.h"

#include <gtest/gtest.h>

#include <tuple>

namespace mmuscope {
namespace {

struct FakeBus final : ApicBus {
  GuestTime time = 0;
  std::vector<std::tuple<uint64_t, IpiKind, uint8_t>> sent;
  GuestTime now() const override { return time; }
  unsigned cpu_count() const override { return 4; }
  void send_ipi(unsigned, uint64_t targets, IpiKind kind, uint8_t vector) override {
    sent.emplace_back(targets, kind, vector);
  }
  uint32_t logical_destination(unsigned cpu) const override { return 1u << (24 + cpu); }
};

class LocalApicTest : public testing::Test {
 protected:
  void SetUp() override { apic.write(0xf0, 0x1ff); }
  FakeBus bus;
  LocalApic apic{1, bus};
};

TEST_F(LocalApicTest, IsSilentUntilSoftwareEnabled) {
  apic.reset();
  apic.accept(0x40);
  EXPECT_FALSE(apic.pending());
  apic.write(0xf0, 0x1ff);
  EXPECT_EQ(apic.pending(), 0x40);
}

TEST_F(LocalApicTest, TellsItsNumberInIdAndAcceptsOnlyVectorsFrom16) {
  EXPECT_EQ(apic.read(0x20), 1u << 24);
  apic.accept(15);
  EXPECT_FALSE(apic.pending());
  EXPECT_EQ(apic.read(0x280), 0x40u);
}

TEST_F(LocalApicTest, HighestVectorFirstAndLowerClassWaitsForEoi) {
  apic.accept(0x41);
  apic.accept(0x62);
  EXPECT_EQ(apic.acknowledge(), 0x62);
  EXPECT_EQ(apic.read(0xa0), 0x60u);
  EXPECT_FALSE(apic.pending());
  apic.write(0xb0, 0);
  EXPECT_EQ(apic.acknowledge(), 0x41);
}

TEST_F(LocalApicTest, TaskPriorityHoldsBackItsClassAndBelow) {
  apic.accept(0x41);
  apic.set_task_priority(4);
  EXPECT_FALSE(apic.pending());
  apic.set_task_priority(3);
  EXPECT_EQ(apic.pending(), 0x41);
}

TEST_F(LocalApicTest, OneShotTimerCountsDividedTime) {
  bus.time = 100;
  apic.write(0x3e0, 0x3);  // by 16
  apic.write(0x320, 0x30);
  apic.write(0x380, 10);
  EXPECT_EQ(apic.next_expiry(), 260u);
  bus.time = 180;
  EXPECT_EQ(apic.read(0x390), 5u);
  apic.expire(259);
  EXPECT_FALSE(apic.pending());
  apic.expire(260);
  EXPECT_EQ(apic.pending(), 0x30);
  EXPECT_EQ(apic.next_expiry(), kNever);
}

TEST_F(LocalApicTest, PeriodicTimerKeepsItsPhaseWhenLate) {
  apic.write(0x3e0, 0xb);  // by 1
  apic.write(0x320, 0x20030);
  apic.write(0x380, 100);
  apic.expire(350);
  EXPECT_EQ(apic.next_expiry(), 400u);
}

TEST_F(LocalApicTest, MaskedTimerSetsNothing) {
  apic.write(0x3e0, 0xb);
  apic.write(0x380, 100);
  apic.expire(100);
  EXPECT_FALSE(apic.pending());
}

TEST_F(LocalApicTest, IcrReachesPhysicalLogicalAndShorthandTargets) {
  apic.write(0x310, 2u << 24);
  apic.write(0x300, 0x4050);
  apic.write(0x310, 0x5u << 24);
  apic.write(0x300, 0x4850);
  apic.write(0x300, 0x40050);
  apic.write(0x300, 0x80050);
  apic.write(0x300, 0xc0050);
  apic.write(0x310, 3u << 24);
  apic.write(0x300, 0x4500);  // INIT
  apic.write(0x300, 0x8500);  // INIT level de-assert: nothing
  apic.write(0x300, 0x4608);  // SIPI
  using Sent = std::tuple<uint64_t, IpiKind, uint8_t>;
  EXPECT_EQ(bus.sent, (std::vector<Sent>{{0b0100, IpiKind::kFixed, 0x50},
                                         {0b0101, IpiKind::kFixed, 0x50},
                                         {0b0010, IpiKind::kFixed, 0x50},
                                         {0b1111, IpiKind::kFixed, 0x50},
                                         {0b1101, IpiKind::kFixed, 0x50},
                                         {0b1000, IpiKind::kInit, 0},
                                         {0b1000, IpiKind::kStartup, 8}}));
}

TEST_F(LocalApicTest, StateRoundTrip) {
  apic.write(0x3e0, 0xb);
  apic.write(0x320, 0x20030);
  apic.write(0x380, 100);
  apic.accept(0x77);
  StateWriter writer, again;
  apic.save(writer);
  LocalApic other(1, bus);
  StateReader reader(writer.bytes());
  other.restore(reader);
  EXPECT_TRUE(reader.ok() && reader.at_end());
  other.save(again);
  EXPECT_TRUE(std::ranges::equal(writer.bytes(), again.bytes()));
}

TEST_F(LocalApicTest, WindowTakesAlignedDwordsOnly) {
  ApicWindow window({&apic, &apic});
  window.mmio_write(0, 0x80, 4, 0x20);
  EXPECT_EQ(window.mmio_read(0, 0x80, 4), 0x20u);
  window.mmio_write(0, 0x84, 4, 0x30);
  window.mmio_write(0, 0x80, 8, 0x30);
  EXPECT_EQ(window.mmio_read(0, 0x80, 4), 0x20u);
  EXPECT_EQ(window.mmio_read(0, 0x80, 1), 0u);
}

}  // namespace
}  // namespace mmuscope
