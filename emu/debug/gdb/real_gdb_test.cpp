// SPDX-License-Identifier: GPL-2.0-or-later
//
// gdb itself, where it is installed, against the toy machine on a unix socket: it must accept the target
// description without a warning and find its way in both directions.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "debug/gdb/fake_target.h"
#include "debug/gdb/server.h"
#include "debug/gdb/temporary_folder.h"

namespace mmuscope::debug::gdb {
namespace {

bool gdb_is_here() { return std::system("gdb -nx -q -batch > /dev/null 2>&1") == 0; }

class RealGdb : public testing::Test {
 protected:
  void SetUp() override {
    if (!gdb_is_here()) GTEST_SKIP() << "no gdb";
  }

  // All that gdb says, its errors and warnings too. `commands` are shell words, in '.
  std::string run(const std::vector<std::string>& commands,
                  Server::Ending expected = Server::Ending::kDetached) {
    const TemporaryFolder folder;
    auto server = Server::listen("unix:" + folder.path() + "/gdb");
    EXPECT_TRUE(server.has_value());
    std::jthread thread([&] {
      const auto ending = (*server)->serve(target, options);
      EXPECT_TRUE(ending.has_value() && *ending == expected);
    });
    std::string line =
        "cd / && timeout -k 5 120 gdb -nx -q -batch -ex 'set width 0' -ex 'set sysroot' -ex 'target remote " +
        (*server)->address() + "'";
    for (const std::string& command : commands) line += " -ex '" + command + "'";
    line += " 2>&1 < /dev/null";
    std::string said;
    FILE* pipe = popen(line.c_str(), "r");
    for (int byte = fgetc(pipe); byte != EOF; byte = fgetc(pipe)) said += static_cast<char>(byte);
    pclose(pipe);
    // Returns at once, unless gdb never came.
    if (said.find("Remote") == said.npos) (*server)->stop();
    return said;
  }

  FakeTarget target;
  SessionOptions options{.exec_file = "/bin/true", .monitor = {}};  // gdb warns when it gets none
};

testing::AssertionResult has(const std::string& said, std::string_view text) {
  if (said.find(text) != said.npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no `" << text << "` in:\n" << said;
}

testing::AssertionResult has_no(const std::string& said, std::string_view text) {
  if (said.find(text) == said.npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "`" << text << "` in:\n" << said;
}

TEST_F(RealGdb, Looks) {
  target.memory[1] = 0x2a;
  target.edit_state(0).cr0 = 0x80000001;
  target.edit_state(0).segment(x86::SegmentName::kFs).base = 0x7000;
  target.edit_fpu(0)[160] = 0x11;
  const std::string said = run({"info registers", "info float", "p $xmm0.v4_int32", "x/4xb 0x401000",
                                "info threads", "thread 2", "p $rip", "info mem"});
  EXPECT_TRUE(has_no(said, "arning"));
  EXPECT_TRUE(has_no(said, "rror"));
  EXPECT_TRUE(has(said, "0x401000:\t0x90\t0x2a\t0x90\t0x90"));
  EXPECT_TRUE(has(said, "[ PE PG ]"));
  EXPECT_TRUE(has(said, "{17, 0, 0, 0}"));
  EXPECT_TRUE(has(said, "(CPU 1 (CPL 0))"));
  EXPECT_TRUE(has(said, "0x401100"));
  EXPECT_TRUE(has(said, "fs_base        0x7000"));
  EXPECT_TRUE(has(said, "Control Word:        0x037f"));
}

TEST_F(RealGdb, GoesBothWays) {
  const std::string said =
      run({"stepi", "stepi", "reverse-stepi", "p $rip", "break *0x401010", "continue", "p $rip",
           "reverse-continue", "p $rip", "continue", "stepi", "reverse-continue", "p $rip"});
  EXPECT_TRUE(has_no(said, "arning"));
  EXPECT_TRUE(has(said, "$1 = (void (*)()) 0x401001"));
  EXPECT_TRUE(has(said, "$2 = (void (*)()) 0x401010"));
  EXPECT_TRUE(has(said, "No more reverse-execution history"));
  EXPECT_TRUE(has(said, "$3 = (void (*)()) 0x401000"));
  EXPECT_TRUE(has(said, "$4 = (void (*)()) 0x401010"));
}

TEST_F(RealGdb, StepsBackTheThreadThatIsSelected) {
  const std::string said = run({"stepi", "stepi", "stepi", "thread 2", "p $rip", "thread 1", "thread 2",
                                "reverse-stepi", "p $rip", "info threads"});
  EXPECT_TRUE(has(said, "$1 = (void (*)()) 0x401102"));
  EXPECT_TRUE(has(said, "$2 = (void (*)()) 0x401101"));
  EXPECT_TRUE(has(said, "* 2 "));
}

TEST_F(RealGdb, Watches) {
  target.accesses[20] = {0x401804, true};
  target.accesses[41] = {0x401804, false};
  const std::string said =
      run({"watch *(unsigned char*)0x401804", "continue", "p $rip", "reverse-continue", "p $rip", "delete",
           "rwatch *(unsigned char*)0x401804", "continue", "p $_thread"});
  EXPECT_TRUE(has(said, "Old value = 144"));
  EXPECT_TRUE(has(said, "New value = 145"));
  EXPECT_TRUE(has(said, "$1 = (void (*)()) 0x40100b"));
  EXPECT_TRUE(has(said, "$2 = (void (*)()) 0x40100a"));
  EXPECT_TRUE(has(said, "read watchpoint 2"));
  EXPECT_TRUE(has(said, "$3 = 2"));
}

TEST_F(RealGdb, WritesAndReads) {
  const std::string said =
      run({"set $rax = 0x1234", "p $rax", "set var *(int*)0x401800 = 0x55", "p *(int*)0x401800",
           "set $cr3 = 0x5000", "p $st0 = 1.5", "p *(int*)0", "monitor physical on", "x/1xb 0x801"});
  EXPECT_TRUE(has(said, "$1 = 4660"));
  EXPECT_TRUE(has(said, "$2 = 85"));
  EXPECT_TRUE(has(said, "CR3 cannot be changed"));
  EXPECT_TRUE(has(said, "1.5"));
  EXPECT_TRUE(has(said, "Cannot access memory at address 0x0"));
  EXPECT_TRUE(has(said, "addresses are physical"));
  EXPECT_TRUE(has(said, "0x801:\t0x00"));
  EXPECT_EQ(target.state(0).reg(x86::Gpr::kRax), 0x1234u);
}

TEST_F(RealGdb, MeetsTheEndAndGoesBack) {
  options.monitor = [](std::string_view text) { return "heard " + std::string(text); };
  const std::string said =
      run({"continue", "reverse-stepi", "p $rip", "monitor where am I", "kill"}, Server::Ending::kKilled);
  EXPECT_TRUE(has(said, "the program exited"));
  EXPECT_TRUE(has(said, "No more reverse-execution history"));
  EXPECT_TRUE(has(said, "heard where am I"));
  EXPECT_TRUE(has(said, "$1 = (void (*)()) 0x4011f3"));
}

TEST_F(RealGdb, IsToldTheExitStatus) {
  const std::string said = run({"continue", "continue", "p $_exitcode"}, Server::Ending::kDisconnected);
  EXPECT_TRUE(has(said, "exited with code 07"));
  EXPECT_TRUE(has(said, "$1 = 7"));
}

}  // namespace
}  // namespace mmuscope::debug::gdb
