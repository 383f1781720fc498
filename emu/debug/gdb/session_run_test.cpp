// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the session lets the machine run, forward and backward, and tells where it stopped and why.
#include <gtest/gtest.h>

#include "debug/gdb/dialogue.h"
#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {
namespace {

void expect(Dialogue& dialogue, std::string_view text) { EXPECT_EQ(dialogue.speak(text), text); }

std::string console(std::string_view text) { return "< O" + to_hex(text) + "\n"; }

StopReport stop(StopReport::Kind kind, unsigned cpu = 0) {
  StopReport report;
  report.kind = kind;
  report.cpu = cpu;
  return report;
}

TEST(GdbRun, StepsTheThreadThatIsNamed) {
  Dialogue dialogue;
  expect(dialogue,
         "> vCont;s:1;c\n"
         "< T05thread:1;\n"
         "> vCont;s:2\n"
         "< T05thread:2;\n"
         "> vCont;c:1;S05:2\n"
         "< T05thread:2;\n"
         "> vCont;s\n"
         "< T05thread:2;\n"
         "> Hc1\n"
         "< OK\n"
         "> s\n"
         "< T05thread:1;\n"
         "> bs\n"
         "< T05thread:1;\n"
         "> Hc0\n"
         "< OK\n"
         "> Hg2\n"
         "< OK\n"
         "> bs\n"
         "< T05thread:2;\n"
         "> S05\n"
         "< T05thread:2;\n");
  EXPECT_EQ(dialogue.target.take_calls(),
            "step 0; step 1; step 1; step 1; step 0; step 0 back; step 1 back; step 1");
  EXPECT_EQ(dialogue.transport.runs, 8u);
}

TEST(GdbRun, AStopSelectsItsThread) {
  Dialogue dialogue;
  expect(dialogue, "> Z0,401101,1\n< OK\n> vCont;c\n< T05thread:2;\n> qC\n< QC2\n> ?\n< T05thread:2;\n");
}

TEST(GdbRun, MalformedActionsDoNotRun) {
  Dialogue dialogue;
  for (const char* packet : {"vCont;", "vCont;x", "vCont;c;", "vCont;C", "vCont;Cx5", "vCont;c:", "vCont;c:3",
                             "vCont;c1", "vCont;t", "C", "Cx", "sx", "C05401000"}) {
    const std::string said = dialogue.speak(std::string("> ") + packet);
    EXPECT_NE(said.find("\n< E"), std::string::npos) << said;
  }
  EXPECT_EQ(dialogue.target.take_calls(), "");
}

TEST(GdbRun, ContinuesElsewhere) {
  Dialogue dialogue;
  expect(dialogue, "> Z0,401123,1\n< OK\n> s401080\n< T05thread:1;\n> S05;401090\n< T05thread:1;\n");
  EXPECT_EQ(dialogue.target.take_calls(), "break 0x401123; set_state 0; step 0; set_state 0; step 0");
  EXPECT_EQ(dialogue.target.state(0).rip, 0x401091u);
}

TEST(GdbRun, TellsWhichBreakpointToWhoKnows) {
  Dialogue dialogue;
  expect(dialogue,
         "> Z0,401002,1\n"
         "< OK\n"
         "> Z1,401104,1\n"
         "< OK\n"
         "> c\n"
         "< T05thread:1;\n");
  dialogue.speak("> qSupported:swbreak+;hwbreak+");
  expect(dialogue,
         "> c\n"
         "< T05thread:2;hwbreak:;\n"
         "> bc\n"
         "< T05thread:1;swbreak:;\n"
         "> C05\n"
         "< T05thread:2;hwbreak:;\n");
}

TEST(GdbRun, Watchpoints) {
  Dialogue dialogue;
  dialogue.target.accesses[4] = {0x401804, true};
  dialogue.target.accesses[7] = {0x401804, false};
  expect(dialogue,
         "> Z2,401800,8\n"
         "< OK\n"
         "> Z3,401804,1\n"
         "< OK\n"
         "> c\n"
         "< T05thread:1;watch:401804;\n"
         "> c\n"
         "< T05thread:2;rwatch:401804;\n"
         "> bc\n"
         "< T05thread:2;rwatch:401804;\n"
         "> z3,401804,1\n"
         "< OK\n"
         "> Z4,401804,1\n"
         "< OK\n"
         "> c\n"
         "< T05thread:2;awatch:401804;\n"
         "> z2,401800,8\n"
         "< OK\n"
         "> bc\n"
         "< T05thread:2;awatch:401804;\n"
         "> bc\n"
         "< T05thread:1;awatch:401804;\n");
}

TEST(GdbRun, AnAccessThatBeginsBelowIsToldInsideTheWatch) {
  Dialogue dialogue;
  StopReport report = stop(StopReport::Kind::kWatchpoint);
  report.watch = {0x1004, 4, false, true, false};
  report.address = 0x1000;
  dialogue.target.script = {report};
  expect(dialogue, "> c\n< T05thread:1;watch:1004;\n");
}

TEST(GdbRun, BothEndsOfHistory) {
  Dialogue dialogue;
  dialogue.target.end = 10;
  const std::string end = console("the program exited\n") + "< T05thread:1;replaylog:end;\n";
  expect(dialogue,
         "> bc\n"
         "< T05thread:1;replaylog:begin;\n"
         "> c\n" +
             end + "> vCont;s:1\n" + end +
             "> bs\n"
             "< T05thread:1;\n"
             "> p10\n"
             "< 0410400000000000\n"
             "> c\n" +
             end +
             "> vCont;c\n"
             "< W07\n"
             "> ?\n"
             "< W07\n"
             "> bc\n"
             "< T05thread:1;replaylog:begin;\n");
}

// The low bits mean nothing where the kernel panicked, and there are none where the machine died.
TEST(GdbRun, AMachineThatDiedAborts) {
  for (const std::optional<uint32_t> value : {std::optional<uint32_t>(0x100), std::optional<uint32_t>()}) {
    Dialogue dialogue;
    dialogue.target.end = 0;
    dialogue.target.end_report.text = "";
    dialogue.target.end_report.exit_value = value;
    expect(dialogue, "> c\n< T05thread:1;replaylog:end;\n> c\n< X06\n");
  }
}

TEST(GdbRun, SaysWhatWasCaught) {
  Dialogue dialogue;
  StopReport report = stop(StopReport::Kind::kCaught, 1);
  report.text = "page fault";
  dialogue.target.script = {report, stop(StopReport::Kind::kInterrupted, 7)};
  expect(dialogue, "> c\n" + console("page fault\n") + "< T05thread:2;\n> c\n< T02thread:2;\n");
  // gdb would take SIGTRAP for the end of the step, and go on.
  dialogue.target.script = {report};
  expect(dialogue, "> s\n" + console("page fault\n") + "< T1ethread:2;\n");
}

TEST(GdbRun, InterruptsARun) {
  Dialogue dialogue;
  dialogue.target.script = {stop(StopReport::Kind::kInterrupted, 1)};
  dialogue.transport.interrupts = true;
  expect(dialogue, "> c\n< T02thread:2;\n");
}

TEST(GdbRun, AnInterruptThatCameWithThePacketStopsTheRunBeforeItBegins) {
  Dialogue dialogue;
  dialogue.session.receive(frame("c") + "\x03");
  EXPECT_EQ(dialogue.transport.sent, "+" + frame("T02thread:1;"));
  EXPECT_EQ(dialogue.target.take_calls(), "");
}

TEST(GdbRun, AnInterruptWhileStoppedIsNothing) {
  Dialogue dialogue;
  dialogue.session.receive("\x03");
  EXPECT_EQ(dialogue.transport.sent, "");
  expect(dialogue, "> s\n< T05thread:1;\n");
}

}  // namespace
}  // namespace mmuscope::debug::gdb
