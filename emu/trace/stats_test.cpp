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
  EXPECT_EQ(stats.system_calls().at(1), (Tally{1, 1, {157, 1, 1, 1}, {}, {}}));
  EXPECT_EQ(stats.faults().at(kCopy), (Tally{1, 1, {50, 1, 1, 1}, {}, {}}));
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
  EXPECT_EQ(stats.system_calls().at(231), (Tally{1, 1, {20, 0, 0, 0}, {}, {}}));
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

TEST(Stats, TheMostOfASingleFaultIsKept) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kWatchRange, {1, 0x1000, 64, 64}, "frame table");
  for (const uint64_t reads : {1, 5, 2}) {
    script.user().fault(0x1000).kernel().add(WatchReport{0, {reads, 1, 1}});
    script.outcome(0x1000, FaultOutcome::kCopy);
  }
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.faults().at(kCopy).most, (std::vector<uint64_t>{6}));
  EXPECT_EQ(stats.faults().at(kCopy).watched, (std::vector<WatchCounts>{{8, 3, 3}}));
}

TEST(Stats, ACallThatGoesOnOnAnotherCpuIsCountedOnBoth) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kSyscallEnter, {0}).step(10).task_switch(0);
  script.on(1, 0).kernel().step(1000).task_switch(7);
  script.on(0, 0).step(500).add(TlbFlush{});
  script.on(1, 7).step(5).point(TraceType::kSyscallExit, {0, 0});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(0).work, (Work{15, 0, 0, 0}));
  EXPECT_EQ(stats.tasks().at(0).work, (Work{1500, 0, 0, 1}));
}

// The child begins behind the call, which it never leaves.
TEST(Stats, AForkedChildIsNotInsideItsParentsFork) {
  Script script;
  script.on(0, 7).kernel().point(TraceType::kExec, {7, 0}, "/bin/parent");
  script.point(TraceType::kSyscallEnter, {57}).step(10);
  script.on(1, 0).kernel().task_switch(8).on(1, 8).step(300).user().fault(0x1000).kernel().step(20);
  script.outcome(0x1000, FaultOutcome::kCopy).point(TraceType::kSyscallEnter, {39}).step(4);
  script.point(TraceType::kSyscallExit, {39, 8});
  script.on(0, 7).step(2).point(TraceType::kSyscallExit, {57, 8});
  script.on(1, 8).point(TraceType::kSyscallEnter, {231}).step(6).point(TraceType::kTaskExit, {8, 0});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(57), (Tally{1, 1, {12, 0, 0, 0}, {}, {}}));
  EXPECT_EQ(stats.system_calls().at(39).work.instructions, 4u);
  EXPECT_EQ(stats.system_calls().at(231).work.instructions, 6u);
  EXPECT_EQ(stats.faults().at(kCopy).work.instructions, 20u);
  EXPECT_EQ(stats.tasks().at(7), (TaskSum{"/bin/parent", {12, 0, 0, 0}, 0, 1}));
  EXPECT_EQ(stats.tasks().at(8), (TaskSum{"/bin/parent", {330, 0, 0, 0}, 1, 2}));
}

// It goes on under the leader's number, whose own call has ended with it.
TEST(Stats, AThreadThatExecutesLeavesItsCallAsTheLeader) {
  Script script;
  script.on(0, 7).kernel().step(1000).point(TraceType::kSyscallEnter, {34}).step(5);
  script.point(TraceType::kTaskExit, {7, 0}).step(3).point(TraceType::kTaskSwitch, {9, 7});
  script.on(0, 9).point(TraceType::kSyscallEnter, {59}).step(30).point(TraceType::kExec, {7, 0}, "/bin/new");
  script.on(0, 7).step(4).point(TraceType::kSyscallExit, {59, 0}).user().step(100);
  script.kernel().point(TraceType::kSyscallEnter, {39}).step(1).point(TraceType::kSyscallExit, {39, 7});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.system_calls().at(59), (Tally{1, 1, {34, 0, 0, 0}, {}, {}}));
  EXPECT_EQ(stats.system_calls().at(34), (Tally{1, 1, {5, 0, 0, 0}, {}, {}}));
  EXPECT_EQ(stats.system_calls().at(39).work.instructions, 1u);
  EXPECT_EQ(stats.tasks().at(7).program, "/bin/new");
}

constexpr uint64_t kBegins = static_cast<uint64_t>(trace_abi::CpuMark::kBegins),
                   kEnds = static_cast<uint64_t>(trace_abi::CpuMark::kEnds);

// As of a run that goes on from a snapshot: the preface comes first, as boot's.
TEST(Stats, WhatWasBeforeTheRecordingIsNobodys) {
  Script script;
  script.on(0, 0).point(TraceType::kExec, {7, 0}, "/bin/program");
  script.on(1, 8).step(300).on(0, 7).step(5000).point(TraceType::kCpuMark, {kBegins});
  script.on(1, 8).point(TraceType::kCpuMark, {kBegins});
  script.on(0, 7).kernel().step(20).point(TraceType::kSyscallEnter, {39}).on(1, 8).step(4).add(TlbFlush{});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.total().instructions, 24u);
  EXPECT_EQ(stats.tasks().at(0).work.instructions, 0u);
  EXPECT_EQ(stats.tasks().at(7), (TaskSum{"/bin/program", {20, 0, 0, 0}, 0, 1}));
  EXPECT_EQ(stats.tasks().at(8).work.instructions, 4u);
  stats.ended_at(5300 + 30);
  EXPECT_EQ(stats.total().instructions, 30u);
}

TEST(Stats, WhatIsDoneUpToTheEndIsOfTheTaskThatRuns) {
  Script script;
  script.on(0, 0).kernel().step(10).task_switch(7).on(0, 7).step(1000).point(TraceType::kSyscallEnter, {24});
  script.step(50).on(1, 0).step(3).on(0, 7).point(TraceType::kCpuMark, {kEnds});
  script.on(1, 0).point(TraceType::kCpuMark, {kEnds});
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.total().instructions, 1063u);
  EXPECT_EQ(stats.tasks().at(0).work.instructions, 13u);
  EXPECT_EQ(stats.tasks().at(7).work.instructions, 1050u);
  EXPECT_EQ(stats.system_calls().at(24).work.instructions, 50u);
}

TEST(Stats, OnlyTheTasksAskedFor) {
  Script script;
  for (const uint32_t pid : {7, 8, 9}) {
    script.on(0, pid).user().step(1).fault(pid << 12).kernel().step(10).outcome(pid << 12,
                                                                                FaultOutcome::kCopy);
    script.point(TraceType::kSyscallEnter, {39}).step(pid).point(TraceType::kSyscallExit, {39, pid});
  }
  Stats stats({7, 9});
  feed(stats, script);
  EXPECT_EQ(stats.faults().at(kCopy).count, 2u);
  EXPECT_EQ(stats.system_calls().at(39), (Tally{2, 2, {16, 0, 0, 0}, {}, {}}));
  EXPECT_EQ(stats.tasks().size(), 2u);
  EXPECT_FALSE(stats.tasks().contains(8));
  EXPECT_EQ(stats.total().instructions, 57u);  // of all
}

TEST(Stats, TheKernelsCountersAndTheTotalThatComesWithThem) {
  Script script;
  script.on(0, 0).kernel().point(TraceType::kWatchRange, {1, 0x1000, 64, 64}, "frame table");
  script.add(WatchReport{0, {7, 8, 9}}).point(TraceType::kVmStat, {100}, "nr_free_pages");
  script.point(TraceType::kVmStat, {0}, std::string(63, 'n'));
  Stats stats;
  feed(stats, script);
  EXPECT_EQ(stats.watched(), (std::vector<WatchCounts>{{7, 8, 9}}));
  ASSERT_EQ(stats.kernel_counters().size(), 2u);
  EXPECT_EQ(stats.kernel_counters()[0], (std::pair<std::string, uint64_t>("nr_free_pages", 100)));
  EXPECT_EQ(stats.kernel_counters()[1], (std::pair<std::string, uint64_t>(std::string(63, 'n'), 0)));
  EXPECT_TRUE(stats.faults().empty());
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
