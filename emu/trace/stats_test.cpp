// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/stats.h"

#include <gtest/gtest.h>

#include "trace/test_script.h"

namespace mmuscope::trace {
namespace {

using trace_abi::FaultOutcome;
using trace_abi::TraceType;

constexpr uint64_t kCopy = static_cast<uint64_t>(FaultOutcome::kCopy);

void feed(Stats& stats, const Script& script) {
  for (const Event& event : script.events()) stats.put(event);
  stats.finish();
}

TEST(Stats, FaultsAddUpByOutcome) {
  Script script;
  script.on(0, 7);
  for (uint64_t i = 0; i < 3; ++i)
    script.user().fault(i << 12).kernel().step(10 + i).outcome(i << 12, FaultOutcome::kCopy);
  script.user().fault(0x9000).kernel().step(500).outcome(0x9000, FaultOutcome::kSigsegv);
  script.user().fault(0xa000);
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.faults().size(), 3u);
  EXPECT_EQ(stats.faults().at(kCopy).count, 3u);
  EXPECT_EQ(stats.faults().at(kCopy).measured, 3u);
  EXPECT_EQ(stats.faults().at(kCopy).work.instructions, 33u);
  EXPECT_EQ(stats.faults().at(7).work.instructions, 500u);
  EXPECT_EQ(stats.faults().at(0).count, 1u);
  EXPECT_EQ(stats.faults().at(0).measured, 0u);
}

TEST(Stats, ASystemCallContainsTheFaultsAndTlbEventsInsideIt) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {1}).step(100).fault(0x1000).step(50);
  script.insert(0x5000, 1).add(TlbRemove{{}, x86::TlbCause::kInvlpg});
  script.add(TlbFlush{x86::TlbCause::kInvlpg, 0x1000, {}}).outcome(0x1000, FaultOutcome::kCopy);
  script.step(7).point(TraceType::kSyscallExit, {1, 0});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(1), (Tally{1, 1, {157, 1, 1, 1}, {}}));
  EXPECT_EQ(stats.faults().at(kCopy), (Tally{1, 1, {50, 1, 1, 1}, {}}));
  EXPECT_EQ(stats.total(), (Work{157, 1, 1, 1}));
  EXPECT_EQ(stats.events(), script.events().size());
}

TEST(Stats, WhatOtherTasksDoMeanwhileIsNotCounted) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {0}).step(10).task_switch(8);
  script.on(0, 8).step(10'000).insert(0x1000, 1).task_switch(7);
  script.on(1, 9).step(333).insert(0x1000, 1);
  script.on(0, 7).step(5).point(TraceType::kSyscallExit, {0, 0});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(0).work, (Work{15, 0, 0, 0}));
}

TEST(Stats, ACallInsideACallIsCountedInBoth) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {34}).step(10);  // pause
  script.point(TraceType::kSyscallEnter, {39}).step(3).point(TraceType::kSyscallExit, {39, 7});
  script.point(TraceType::kSyscallEnter, {15}).step(4);  // rt_sigreturn: never exits
  script.point(TraceType::kSyscallExit, {34, 0});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(34).work.instructions, 17u);
  EXPECT_EQ(stats.system_calls().at(39).work.instructions, 3u);
  EXPECT_EQ(stats.system_calls().at(15).count, 1u);
  EXPECT_EQ(stats.system_calls().at(15).measured, 0u);
}

TEST(Stats, ACallThatEndsItsTaskLastsToTheEndOfTheTask) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {231}).step(20);
  script.point(TraceType::kTaskExit, {7, 0}).step(99);
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(231), (Tally{1, 1, {20, 0, 0, 0}, {}}));
}

TEST(Stats, ACallThatIsOpenAtTheEndLastsToTheEnd) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {0}).step(20).fault(0x1000);
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(0).work.instructions, 20u);
}

TEST(Stats, WatchedAccessesAddUpByRange) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kWatchRange, {1, 0x1000, 64, 64}, "frame table");
  script.point(TraceType::kWatchRange, {2, 0x2000, 64, 1}, std::string(64, 'n'));
  for (int i = 0; i < 2; ++i) {
    script.user().fault(0x1000).kernel().add(WatchReport{0, {1, 2, 3}}).add(WatchReport{1, {4, 5, 6}});
    script.outcome(0x1000, FaultOutcome::kCopy);
  }
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.ranges(), (std::vector<std::string>{"frame table", std::string(64, 'n')}));
  EXPECT_EQ(stats.faults().at(kCopy).watched, (std::vector<WatchCounts>{{2, 4, 6}, {8, 10, 12}}));
}

TEST(Stats, AnyEventsAreTakenWithoutHarm) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    RandomEvents random(seed);
    Stats stats;
    for (int i = 0; i < 500; ++i) stats.put(random.next());
    stats.finish();
    EXPECT_EQ(stats.events(), 500u);
  }
}

}  // namespace
}  // namespace mmuscope::trace
