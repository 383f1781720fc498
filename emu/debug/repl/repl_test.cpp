// SPDX-License-Identifier: GPL-2.0-or-later
//
// The interpreter over the toy machine of gdb/fake_target.h: every instruction is a NOP, two CPUs take turns.
#include "debug/repl/repl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "debug/gdb/fake_target.h"
#include "debug/repl/line_editor.h"

namespace mmuscope::debug {
namespace {

using gdb::FakeTarget;

struct ReplTest : testing::Test {
  explicit ReplTest(unsigned cpus = 1) : target(cpus) {
    inspection.symbols().add(
        trace::SymbolTable({{.address = FakeTarget::kCode, .size = 0x40, .name = "main"},
                            {.address = FakeTarget::kCode + 0x40, .size = 0x40, .name = "malloc"},
                            {.address = FakeTarget::kCode + 0x80, .size = 0x10, .name = "label"}}));
    commands.add({"goto", "N", "go there", [this](const Arguments& given) -> Expected<std::string> {
                    target.go_to(std::stoull(given.words.at(0)));
                    return "gone\n";
                  }});
    commands.add(
        {"walk", "", "a walk", [](const Arguments&) -> Expected<std::string> { return "walked\n"; }});
  }
  std::string run(std::string_view line) {
    out.str("");
    good = repl.execute(line);
    return out.str();
  }
  // The last line of what it says, without the newline.
  std::string last(std::string_view line) {
    std::string text = run(line);
    if (!text.empty()) text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }

  FakeTarget target;
  Inspection inspection{target, {}};
  Commands commands;
  std::ostringstream out;
  Repl repl{target, inspection, commands, {}, out};
  bool good = true;
};

struct ReplOfTwo : ReplTest {
  ReplOfTwo() : ReplTest(2) {}
};

TEST_F(ReplTest, StepsInstructionsBothWays) {
  EXPECT_EQ(last("stepi"), "=> 0x401001 <+1>:  nop");
  EXPECT_EQ(last("si 4"), "=> 0x401005 <+5>:  nop");
  EXPECT_EQ(last("reverse-stepi"), "=> 0x401004 <+4>:  nop");
  EXPECT_EQ(last("rsi 2"), "=> 0x401002 <+2>:  nop");
  EXPECT_EQ(last("ni"), "=> 0x401003 <+3>:  nop");
}

TEST_F(ReplTest, AnEmptyLineStepsAgain) {
  run("stepi");
  EXPECT_EQ(last(""), "=> 0x401002 <+2>:  nop");
  run("info cpus");
  EXPECT_EQ(run(""), "") << "only steps and the like are repeated";
}

TEST_F(ReplTest, StopsAtBreakpointsForwardAndBackward) {
  EXPECT_EQ(run("break malloc"), "Breakpoint 1 at 0x401040: 0x0000000000401040 in malloc\n");
  EXPECT_EQ(run("b *0x401010"), "Breakpoint 2 at 0x401010: 0x0000000000401010 in main+0x10\n");
  EXPECT_EQ(run("c"),
            "Continuing.\nBreakpoint 2, 0x0000000000401010 in main+0x10\n=> 0x401010 <+16>:  nop\n");
  EXPECT_NE(run("c").find("Breakpoint 1, "), std::string::npos);
  EXPECT_NE(run("rc").find("Breakpoint 2, "), std::string::npos);
  EXPECT_EQ(run("rc"),
            "Continuing.\nNo more reverse-execution history.\n0x0000000000401000 in main\n=> 0x401000 <+0>:  "
            "nop\n");
}

TEST_F(ReplTest, ATemporaryBreakpointStopsOnce) {
  run("tbreak malloc");
  EXPECT_NE(run("c").find("Temporary breakpoint 1, "), std::string::npos);
  EXPECT_FALSE(target.has_stops());
}

TEST_F(ReplTest, TwoBreakpointsAtOnePlaceAreRemovedOneByOne) {
  run("break malloc");
  run("break malloc");
  run("delete 1");
  EXPECT_TRUE(target.has_stops());
  EXPECT_NE(run("c").find("Breakpoint 2, "), std::string::npos);
  run("delete");
  EXPECT_FALSE(target.has_stops());
}

TEST_F(ReplTest, DisabledBreakpointsDoNotStop) {
  run("break malloc");
  run("disable 1");
  EXPECT_EQ(last("c"), "the program exited");
  run("rc");
  run("enable");
  EXPECT_NE(run("c").find("Breakpoint 1, "), std::string::npos);
}

TEST_F(ReplTest, WatchpointsTellOldAndNewValue) {
  target.accesses[5] = {.address = FakeTarget::kCode + 0x800, .write = true};
  target.accesses[9] = {.address = FakeTarget::kCode + 0x800, .write = true};
  EXPECT_EQ(run("watch *(char *)0x401800"), "Watchpoint 1: *(char *)0x401800 (1 bytes at 0x401800)\n");
  EXPECT_EQ(run("c"),
            "Continuing.\nWatchpoint 1: *(char *)0x401800\nOld value = -112\nNew value = -111\n"
            "0x0000000000401006 in main+0x6\n=> 0x401006 <+6>:  nop\n");
  EXPECT_NE(run("c").find("New value = -110"), std::string::npos);
  EXPECT_NE(run("rc").find("Old value = -110\nNew value = -111"), std::string::npos);
}

TEST_F(ReplTest, AStoreThatChangesNothingStopsNoWatchpoint) {
  target.memory[0x800] = 7;
  run("watch *(char *)0x401800");
  StopReport same;
  same.kind = StopReport::Kind::kWatchpoint;
  same.watch = {.address = 0x401800, .bytes = 1, .reads = false, .writes = true, .physical = false};
  target.script = {same, same};
  EXPECT_EQ(last("c"), "the program exited");
}

TEST_F(ReplTest, TellsTheEndAndCaughtEvents) {
  StopReport caught;
  caught.kind = StopReport::Kind::kCaught;
  caught.text = "Catchpoint 1: a page fault";
  target.script = {caught};
  EXPECT_NE(run("c").find("Catchpoint 1: a page fault\n0x0000000000401000 in main\n"), std::string::npos);
  EXPECT_EQ(run("c"), "Continuing.\nthe program exited\n");
}

TEST_F(ReplTest, LineStepsNeedAFunction) {
  EXPECT_NE(run("step").find("Single stepping until exit from function main"), std::string::npos);
  EXPECT_EQ(last("x/i $rip"), "=> 0x401040 <+0>:  nop");
  target.edit_state(0).rip = 0x1234;
  EXPECT_EQ(run("next"), "no function is known at 0x1234: stepi goes by instructions\n");
}

TEST_F(ReplTest, ShortensCommandsAsLongAsOneIsMeant) {
  EXPECT_EQ(run("wal"), "walked\n");
  EXPECT_EQ(run("wa"), "wa may be walk or watch\n");
  EXPECT_FALSE(good);
  EXPECT_EQ(run("frobnicate"), "there is no command frobnicate: try help\n");
  EXPECT_EQ(last("stepi"), "=> 0x401001 <+1>:  nop") << "of which there is none longer";
  EXPECT_NE(run("ste").find("Single stepping"), std::string::npos) << "step, of which stepi is more";
}

TEST_F(ReplTest, ShowsWhereAMonitorCommandWentTo) {
  EXPECT_EQ(run("goto 3"), "gone\n0x0000000000401003 in main+0x3\n=> 0x401003 <+3>:  nop\n");
  EXPECT_EQ(run("walk"), "walked\n");
}

TEST_F(ReplTest, ExaminesMemory) {
  target.memory[0x800] = 'h';
  target.memory[0x801] = 'i';
  target.memory[0x802] = 0;
  EXPECT_EQ(run("x/s 0x401800"), "0x401800:  \"hi\"\n");
  EXPECT_EQ(run("x/2xb 0x401800"), "0x401800:  0x68  0x69\n");
  EXPECT_EQ(run("x"), "0x401802:  0x00\n") << "goes on where it ended";
  EXPECT_EQ(run("x/2xg main"), "0x401000 <main>:  0x9090909090909090  0x9090909090909090\n");
  EXPECT_EQ(run("x/2i malloc"), "   0x401040 <+0>:  nop\n   0x401041 <+1>:  nop\n");
  EXPECT_EQ(run("x/x 0x10"), "cannot read memory at 0x10: no page is there now (why 0x10 tells more)\n");
  EXPECT_EQ(run("x/4q 0"), "usage: x [/COUNT FORMAT SIZE] [ADDRESS]\n");
}

TEST_F(ReplTest, PrintsExpressions) {
  EXPECT_EQ(run("print $rip"), "$1 = 0x401000 <main>\n");
  EXPECT_EQ(run("p/x 255"), "$2 = 0xff\n");
  EXPECT_EQ(run("p main+4"), "$3 = 0x401004 <main+0x4>\n");
  EXPECT_EQ(run("p/x *(short *)0x401000"), "$4 = 0x9090\n");
  EXPECT_EQ(run("p nothing"), "no symbol is called nothing\n");
  EXPECT_EQ(run("p *(struct x)1"), "(struct x) is no pointer to a number: write *(int *)ADDRESS\n");
  EXPECT_EQ(run("p $r99"), "no register is called $r99\n");
}

TEST_F(ReplTest, BadInputIsOneClearLine) {
  for (const char* line : {"break",
                           "watch",
                           "watch 5",
                           "delete 77",
                           "x/",
                           "stepi 0",
                           "stepi x",
                           "continue many",
                           "info",
                           "info nothing",
                           "list",
                           "up",
                           "down",
                           "finish",
                           "select-frame",
                           "cpu 9",
                           "print",
                           "print/",
                           "tbreak nothing",
                           "break x.c:1",
                           "break :",
                           "break *",
                           "disassemble zzz",
                           "enable 4",
                           "reverse-finish",
                           "p *(",
                           "p &",
                           "break main if x",
                           "x/99999999999999999999x 1",
                           "clear",
                           "help nonsense",
                           "print *(int *)",
                           "watch -p",
                           "advance",
                           "directory"}) {
    const std::string text = run(line);
    EXPECT_LE(std::ranges::count(text, '\n'), 1) << line << ": " << text;
    EXPECT_LE(text.size(), Commands::kColumns + 1) << line;
  }
}

TEST_F(ReplTest, HelpShowsBothTablesInTheirColumns) {
  const std::string text = run("help");
  for (const char* word : {"reverse-finish", "backtrace", "tbreak", "goto N", "walk"})
    EXPECT_NE(text.find(word), std::string::npos) << word;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), Commands::kColumns) << line;
  EXPECT_EQ(run("help rs"), "reverse-step [COUNT] (short: rs): back to another line, into functions\n");
  EXPECT_NE(run("help goto").find("go there"), std::string::npos);
}

TEST_F(ReplTest, CompletesCommandsAndSymbols) {
  EXPECT_EQ(repl.complete("reverse-s"), (std::vector<std::string>{"reverse-step", "reverse-stepi"}));
  EXPECT_EQ(repl.complete("wal"), (std::vector<std::string>{"walk"}));
  EXPECT_EQ(repl.complete("break ma"), (std::vector<std::string>{"main", "malloc"}));
  EXPECT_EQ(repl.complete("x/i *mal"), (std::vector<std::string>{"malloc"}));
  EXPECT_EQ(repl.complete("info reg"), (std::vector<std::string>{"registers"}));
  EXPECT_TRUE(repl.complete("break zzz").empty());
}

TEST_F(ReplTest, AScriptEndsAtItsFirstMistake) {
  std::istringstream script("# a comment\n\nstepi\nnonsense\nstepi\n");
  EXPECT_FALSE(run_lines(repl, script, "file", true));
  EXPECT_EQ(target.state(0).rip, FakeTarget::kCode + 1);
  EXPECT_NE(out.str().find("file:4: the script ends here\n"), std::string::npos);
}

TEST_F(ReplTest, APipeGoesOnAfterAMistakeAndEndsAtQuit) {
  std::istringstream script("nonsense\nstepi\n\nquit\nstepi\n");
  EXPECT_FALSE(run_lines(repl, script, "", false));
  EXPECT_TRUE(repl.quitting());
  EXPECT_EQ(target.state(0).rip, FakeTarget::kCode + 1) << "an empty line of a script repeats nothing";
}

TEST_F(ReplOfTwo, IsAboutTheCpuThatStopped) {
  run("b *0x401105");
  EXPECT_NE(run("c").find("[switching to CPU 1]\nBreakpoint 1, "), std::string::npos);
  EXPECT_EQ(last("stepi"), "=> 0x401106:  nop");
  EXPECT_EQ(last("cpu 0"), "=> 0x401006 <+6>:  nop");
  EXPECT_NE(run("info cpus").find("* CPU 0"), std::string::npos);
}

}  // namespace
}  // namespace mmuscope::debug
