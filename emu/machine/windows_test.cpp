// SPDX-License-Identifier: GPL-2.0-or-later
//
// What faults and system calls are said to have accessed when tasks take turns and CPUs work side by side;
// and CPUs that wait. Each test is a script for the kernel of test_kernel.S, which has the list of words.
#include <gtest/gtest.h>

#include "machine/machine.h"
#include "machine/test_guest.h"

namespace mmuscope {
namespace {

using trace_abi::TraceType;

// "pid type arg0: reads/writes/lines" of all that is told with counts.
class Counted final : public MachineObserver {
 public:
  void on_watch_counts(const Moment&, unsigned, const WatchCounts& counts) override {
    EXPECT_EQ(waiting_, "") << "two reports for one record";
    waiting_ = std::to_string(counts.reads) + '/' + std::to_string(counts.writes) + '/' +
               std::to_string(counts.lines);
  }
  void on_tracepoint(const Moment& at, const trace_abi::TraceRecord& record) override {
    if (waiting_.empty()) return;
    static constexpr const char* kNames[] = {"?",    "switch", "exec", "fault",  "enter",
                                             "call", "range",  "exit", "signal", "total"};
    text += std::to_string(at.pid) + ' ' + kNames[record.type] + ' ' + std::to_string(record.args[0]) + ": " +
            waiting_ + '\n';
    waiting_.clear();
  }
  std::string text;

 private:
  std::string waiting_;
};

constexpr uint64_t kLimit = 1'000'000;

MachineConfig two_cpus(uint64_t quantum = 50) {
  return {.cpus = 2, .memory_bytes = 32u << 20, .quantum = quantum, .count_watched_ranges = true};
}

std::string words(std::string_view script) {
  std::string line = "k";
  for (const char letter : script)
    if (letter != ' ') line += letter;
  return line;
}

std::string counted(std::string_view script, uint64_t quantum = 50) {
  Guest guest(words(script), two_cpus(quantum));
  Counted observer;
  guest.machine->add_observer(observer);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << script << result.report;
  return observer.text;
}

TEST(Windows, ATaskThatSleepsInACallIsChargedForItselfOnly) {
  EXPECT_EQ(counted("0s7 0e1 0r1 0s8 0r2 0w3 0s7 0w1 0x1"), "7 call 1: 1/1/1\n");
}

TEST(Windows, WhatOtherCpusDoIsTheirTasks) {
  for (const uint64_t quantum : {1u, 7u, 50u, 10'000u})
    EXPECT_EQ(counted("0s7 0e1 0r1 1s8 1r2 1e2 1w3 0x1 1w4 1x2", quantum),
              "7 call 1: 1/0/1\n8 call 2: 0/2/2\n");
}

TEST(Windows, ACallThatEndsOnAnotherCpu) {
  EXPECT_EQ(counted("0s7 0e1 0r1 0s0 0r2 1s7 1r3 1x1"), "7 call 1: 2/0/2\n");
}

// All CPUs that idle are PID 0, and not one task.
TEST(Windows, IdleCpusAreApart) {
  EXPECT_EQ(counted("0s0 1s0 0e1 1e1 0r1 1r2 1r3 0x1 1x1"), "0 call 1: 1/0/1\n0 call 1: 2/0/2\n");
}

TEST(Windows, AFaultInsideACallCountsInBoth) {
  EXPECT_EQ(counted("0s7 0e1 0r1 0f1 0r1 0x1"), "7 fault 4096: 1/0/1\n7 call 1: 3/0/2\n");
}

TEST(Windows, TheParentsForkIsNotChargedForTheChild) {
  EXPECT_EQ(counted("0s7 0e5 0r1 1s8 1r2 1r3 1f1 1e6 1r4 1x6 0x5"),
            "8 fault 4096: 1/0/1\n8 call 6: 1/0/1\n7 call 5: 1/0/1\n");
}

TEST(Windows, ACallThatEndsItsTaskEndsWithIt) {
  EXPECT_EQ(counted("0s7 0e5 0r1 0k7 0r2 0s8 0r3 0s7 0e6 0r4 0x6"), "7 exit 7: 1/0/1\n7 call 6: 1/0/1\n");
}

TEST(Windows, TheEndOfATaskThatIsInNoCallHasNoCounts) { EXPECT_EQ(counted("0s7 0r1 0k7 0k8"), ""); }

TEST(Windows, AThreadThatExecutesGoesOnAsItsLeader) {
  EXPECT_EQ(counted("0s7 0e1 0s9 0e5 0r1 0n7 0r2 0s8 0r3 0s7 0x5 0e1 0x1"),
            "7 call 5: 2/0/2\n7 call 1: 0/0/0\n");
  EXPECT_EQ(counted("0s7 0e5 0r1 0n7 0r2 0x5"), "7 call 5: 2/0/2\n");  // the ordinary way
}

// A call that comes while another one seems open: that one has ended without a word.
TEST(Windows, ACallFromTheProgramEndsWhatWasOpen) {
  EXPECT_EQ(counted("0s7 0e1 0r1 0e2 0r2 0x2 0x1"), "7 call 2: 1/0/1\n");
}

TEST(Windows, InterruptsBetweenCallsAreNobodys) {
  EXPECT_EQ(counted("0s7 0f1 0i0 0e1 0x1 0i0 0f2"),
            "7 fault 4096: 1/0/1\n7 call 1: 0/0/0\n7 fault 8192: 1/0/1\n");
}

TEST(Windows, TheTotalIsOfAllAndToldOnce) {
  EXPECT_EQ(counted("0s7 0e1 0r1 1s8 1w2 0x1 0i0 1v0 1r1 1v1 0v2"), "7 call 1: 1/0/1\n8 total 0: 1/2/3\n");
}

TEST(Windows, OpenOnesAreState) {
  const std::string script = words("0s7 0e1 0r1 1s8 1e2 1w2 1s0 1w3 1s8 0f1 1x2 0x1 0v0");
  Counted whole;
  Guest first(script, two_cpus());
  first.machine->add_observer(whole);
  EXPECT_EQ(first.machine->run(kLimit).reason, EndReason::kExit);
  EXPECT_FALSE(whole.text.empty());
  for (uint64_t at = 100; at < first.machine->icount(); at += 97) {
    Counted before, after;
    Guest one(script, two_cpus()), other(script, two_cpus());
    one.machine->add_observer(before);
    one.machine->run(at);
    StateWriter saved;
    one.machine->save(saved);
    ASSERT_TRUE(other.machine->restore(saved.bytes()));
    other.machine->add_observer(after);
    other.machine->run(kLimit);
    EXPECT_EQ(before.text + after.text, whole.text) << at;
  }
}

// ---- CPUs that wait

uint64_t ends_at(std::string_view script) {
  MachineConfig config = two_cpus();
  config.count_watched_ranges = false;
  Guest guest(words(script), config);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kExit) << script << '\n' << result.report;
  return guest.machine->icount();
}

// Time passes, nothing is executed: each spin would show.
TEST(Idle, AllWaitForTheEarliestTimer) {
  const uint64_t nothing = ends_at("0r1 1r1 0r1 1r1");
  EXPECT_LT(ends_at("0t9 1t1 1h0 0h0"), nothing + 60'000);
}

TEST(Idle, AnIpiWakesTheOneItIsFor) {
  EXPECT_LT(ends_at("1h0 0j1 1r1"), 2'000u);
  EXPECT_LT(ends_at("1h0 0t1 0h0 0j1 1r1 0r1"), 2'000u);
}

TEST(Idle, ALoneCpuThatInterruptsItselfGoesOn) { EXPECT_LT(ends_at("1h0 0i0 0i0 0r1 0j1"), 2'000u); }

// The timer of one CPU does not wake another, which waits for good.
TEST(Idle, EveryTimerIsItsOwnCpus) {
  MachineConfig config = two_cpus();
  Guest guest(words("0t1 1h0 0h0 0h0"), config);
  const RunResult result = guest.machine->run(kLimit);
  EXPECT_EQ(result.reason, EndReason::kDeadlock);
  EXPECT_NE(result.report.find("every CPU is halted"), std::string::npos) << result.report;
}

}  // namespace
}  // namespace mmuscope
