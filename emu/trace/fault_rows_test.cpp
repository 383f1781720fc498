// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/fault_rows.h"

#include <gtest/gtest.h>

#include "trace/printers.h"
#include "trace/test_script.h"

namespace mmuscope::trace {
namespace {

using trace_abi::FaultOutcome;
using trace_abi::TraceType;

std::vector<FaultRow> rows_of(const Script& script) {
  std::vector<FaultRow> rows;
  FaultRows sink(nullptr, [&](const FaultRow& row) { rows.push_back(row); });
  for (const Event& event : script.events()) sink.put(event);
  sink.finish();
  return rows;
}

TEST(FaultRows, AFaultIsJoinedWithTheOutcomeTheKernelTells) {
  Script script;
  script.on(0, 7).user().fault(0x1008).kernel().step(40).outcome(0x1008, FaultOutcome::kAnonZero);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].seq, 1u);
  EXPECT_EQ(rows[0].moment.pid, 7u);
  EXPECT_EQ(rows[0].outcome, FaultOutcome::kAnonZero);
  EXPECT_EQ(rows[0].handler.instructions, 40u);
  EXPECT_FALSE(rows[0].entry_after);
}

TEST(FaultRows, TheNextWalkOfThePageTellsTheEntryAfter) {
  Script script;
  script.on(0, 7).user().fault(0x1008).kernel().outcome(0x1008, FaultOutcome::kAnonZero).user();
  script.insert(0x2000, 0x1111);  // another page
  script.insert(0x1000, 0x2222).insert(0x1000, 0x3333);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].entry_after, 0x2222u);
}

TEST(FaultRows, ALargePageTellsItForEverySmallOneInside) {
  Script script;
  script.on(0, 7).user();
  script.fault(0x201000).fault(0x3ff000).fault(0x400000);
  script.insert(0x200000, 0x77, x86::PageSize::k2M);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_FALSE(rows[0].entry_after);  // the walk took another way: it read no entry of the last level
  EXPECT_FALSE(rows[2].entry_after);
}

TEST(FaultRows, AnotherAddressSpaceTellsNothing) {
  Script script;
  script.on(0, 7).user().fault(0x1000);
  script.on(0, 8).insert(0x1000, 0x1111);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].entry_after);
}

TEST(FaultRows, ANestedFaultEndsFirstAndBothFindTheirOutcome) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().step(10).fault(0x9000).step(5);
  script.outcome(0x9000, FaultOutcome::kKernelFixup).step(100).outcome(0x1000, FaultOutcome::kCopy);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].outcome, FaultOutcome::kCopy);
  EXPECT_EQ(rows[0].handler.instructions, 115u);
  EXPECT_EQ(rows[1].outcome, FaultOutcome::kKernelFixup);
  EXPECT_EQ(rows[1].handler.instructions, 5u);
}

TEST(FaultRows, AnInnerFaultWithoutOutcomeHidesNotTheOuter) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().fault(0x9000).outcome(0x1000, FaultOutcome::kReuse);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].outcome, FaultOutcome::kReuse);
  EXPECT_FALSE(rows[1].outcome);
}

TEST(FaultRows, ASecondFaultOfTheSamePageGetsTheOutcomeFirst) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().fault(0x1008);
  script.outcome(0x1008, FaultOutcome::kSpurious).outcome(0x1000, FaultOutcome::kCopy);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].outcome, FaultOutcome::kCopy);
  EXPECT_EQ(rows[1].outcome, FaultOutcome::kSpurious);
}

TEST(FaultRows, TasksOnSeveralCpusDoNotMix) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel();
  script.on(1, 8).user().fault(0x1000).kernel().step(3);
  script.on(0, 7).kernel().step(20).outcome(0x1000, FaultOutcome::kCopy);
  script.on(1, 8).kernel().step(4).outcome(0x1000, FaultOutcome::kReuse);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].outcome, FaultOutcome::kCopy);
  EXPECT_EQ(rows[0].handler.instructions, 20u);
  EXPECT_EQ(rows[1].outcome, FaultOutcome::kReuse);
  EXPECT_EQ(rows[1].handler.instructions, 7u);
}

TEST(FaultRows, AHandlerThatMovesToAnotherCpuIsCountedOnBoth) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().step(10).task_switch(0);
  script.on(1, 0).kernel().step(1000).task_switch(7);
  script.on(1, 7).kernel().step(5).outcome(0x1000, FaultOutcome::kFilePage);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].handler.instructions, 15u);
}

// While one thread's write waits for its copy, another reads through the old entry.
TEST(FaultRows, WhatAnotherThreadReadsMeanwhileIsNotTheEntryAfter) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel();
  script.on(1, 7).as(8).user().insert(0x1000, 0x1111).insert(0, 0x1111, x86::PageSize::k2M);
  script.on(0, 7).kernel().outcome(0x1000, FaultOutcome::kCopy).user().insert(0x1000, 0x2222);
  script.fault(0x2000).kernel().outcome(0x2000, FaultOutcome::kCopy);
  script.on(1, 7).as(8).user().insert(0x2000, 0x3333);  // now it is the new one, whoever walks
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].entry_after, 0x2222u);
  EXPECT_EQ(rows[1].entry_after, 0x3333u);
}

TEST(FaultRows, AThreadThatExecutesLeavesItsRowsBehind) {
  Script script;
  script.on(0, 7).as(9).user().fault(0x1000).kernel().outcome(0x1000, FaultOutcome::kCopy);
  script.point(TraceType::kExec, {7, 0}, "/bin/new");
  script.on(0, 7).insert(0x1000, 0x1111);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].entry_after);
}

TEST(FaultRows, AFaultWithoutOutcomeIsARowToo) {
  Script script;
  script.on(0, 7).user().fault(0x1000);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].outcome);
  EXPECT_EQ(rows[0].handler, Work{});
}

TEST(FaultRows, AnOutcomeWithoutItsFaultIsIgnored) {
  Script script;
  script.on(0, 7).kernel().outcome(0x1000, FaultOutcome::kCopy).user().fault(0x2000);
  script.kernel().outcome(0x1000, FaultOutcome::kCopy);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].outcome);
}

TEST(FaultRows, AUserFaultEndsWhatWasOpen) {
  Script script;
  script.on(0, 7).user().fault(0x1000).fault(0x2000).kernel().outcome(0x1000, FaultOutcome::kCopy);
  for (const FaultRow& row : rows_of(script)) EXPECT_FALSE(row.outcome);
}

TEST(FaultRows, AnExitedTaskIsNotMistakenForTheNextWithItsPid) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().point(TraceType::kTaskExit, {7});
  script.kernel().outcome(0x1000, FaultOutcome::kCopy).insert(0x1000, 0x1111);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].outcome);
  EXPECT_FALSE(rows[0].entry_after);
}

// PID 0 is no task that ends; a record that says so must not leave faults of idle CPUs behind.
TEST(FaultRows, AnExitOfPidZeroIsSurvived) {
  Script script;
  script.on(0, 0)
      .kernel()
      .fault(0x1000)
      .point(TraceType::kTaskExit, {0})
      .point(TraceType::kTaskExit, {~0ull});
  script.user().fault(0x2000).kernel().outcome(0x1000, FaultOutcome::kCopy);
  EXPECT_EQ(rows_of(script).size(), 2u);
}

TEST(FaultRows, RowsComeInOrderAndAsSoonAsTheyAreWhole) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().outcome(0x1000, FaultOutcome::kCopy).user();
  script.fault(0x2000).kernel().outcome(0x2000, FaultOutcome::kCopy).user();
  script.insert(0x2000, 1).insert(0x1000, 2);
  std::vector<uint64_t> order;
  FaultRows sink(nullptr, [&](const FaultRow& row) { order.push_back(row.seq); });
  for (const Event& event : script.events()) {
    sink.put(event);
    if (&event != &script.events().back()) {
      EXPECT_TRUE(order.empty());
    }
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{1, 3}));
}

TEST(FaultRows, ARowDoesNotWaitForever) {
  Script script;
  script.on(0, 7).user();
  size_t rows = 0;
  FaultRows sink(nullptr, [&](const FaultRow&) { ++rows; });
  const size_t faults = FaultRows::kMostWaiting + 10;
  for (uint64_t page = 0; page < faults; ++page) sink.put(script.fault(page << 12).events().back());
  EXPECT_EQ(rows, 10u);
  sink.finish();
  EXPECT_EQ(rows, faults);
}

TEST(FaultRows, WatchedAccessesStandWithTheirFault) {
  Script script;
  script.on(0, 7).user().fault(0x1000).kernel().add(WatchReport{1, {1, 2, 3}});
  script.outcome(0x1000, FaultOutcome::kCopy);
  script.user().fault(0x2000).kernel().outcome(0x2000, FaultOutcome::kCopy);
  const auto rows = rows_of(script);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].watched, (std::vector<WatchCounts>{{}, {1, 2, 3}}));
  EXPECT_TRUE(rows[1].watched.empty());
}

TEST(FaultRows, AnyEventsAreTakenWithoutHarm) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    RandomEvents random(seed);
    size_t faults = 0, rows = 0;
    FaultRows sink(nullptr, [&](const FaultRow&) { ++rows; });
    for (int i = 0; i < 500; ++i) {
      Event event = random.next();
      event.moment.pid %= 3;
      event.moment.cr3 &= 1;
      if (auto* point = std::get_if<Tracepoint>(&event.payload)) point->record.args[0] %= 3;
      faults += event.as<PageFault>() != nullptr;
      sink.put(event);
    }
    sink.finish();
    EXPECT_EQ(rows, faults);
  }
}

TEST(FaultFilter, AcceptsByPidOutcomeAndAddress) {
  FaultRow row;
  row.moment.pid = 7;
  row.fault.access.linear = 0x1000;
  row.outcome = FaultOutcome::kCopy;
  EXPECT_TRUE(FaultFilter{}.accepts(row));
  EXPECT_TRUE((FaultFilter{.pids = {6, 7}}.accepts(row)));
  EXPECT_FALSE((FaultFilter{.pids = {6}}.accepts(row)));
  EXPECT_TRUE((FaultFilter{.outcomes = {4}}.accepts(row)));
  EXPECT_FALSE((FaultFilter{.outcomes = {0, 3}}.accepts(row)));
  EXPECT_TRUE((FaultFilter{.first_address = 0x1000, .last_address = 0x1000}.accepts(row)));
  EXPECT_FALSE((FaultFilter{.first_address = 0x1001}.accepts(row)));
  EXPECT_FALSE((FaultFilter{.last_address = 0xfff}.accepts(row)));
  row.outcome = {};
  EXPECT_TRUE((FaultFilter{.outcomes = {0}}.accepts(row)));
  EXPECT_FALSE((FaultFilter{.outcomes = {4}}.accepts(row)));
}

}  // namespace
}  // namespace mmuscope::trace
