// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the session answers to gdb's packets about state: registers, memory, threads, stops, queries.
#include "debug/gdb/session.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "debug/gdb/dialogue.h"
#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {
namespace {

void expect(Dialogue& dialogue, std::string_view text) { EXPECT_EQ(dialogue.speak(text), text); }

TEST(GdbSession, Greets) {
  Dialogue dialogue;
  expect(dialogue,
         "> qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+\n"
         "< PacketSize=4000;QStartNoAckMode+;multiprocess-;vContSupported+;swbreak+;hwbreak+;ReverseStep+;"
         "ReverseContinue+;qXfer:features:read+;qXfer:threads:read+;qXfer:memory-map:read+\n"
         "> ?\n"
         "< T05thread:1;\n"
         "> qAttached\n"
         "< 1\n"
         "> qAttached:1\n"
         "< 1\n"
         "> qSymbol::\n"
         "< OK\n"
         "> vCont?\n"
         "< vCont;c;C;s;S;r\n");
}

TEST(GdbSession, WhatIsUnknownGetsAnEmptyReply) {
  Dialogue dialogue;
  for (const char* packet :
       {"vMustReplyEmpty", "", "!", "vRun;61", "vFile:open:61,0,1c0", "qOffsets", "qTStatus", "qCRC:0,1",
        "QNonStop:1", "Z5,0,1", "Zx", "bz", "b", "R00", "qXfer:siginfo:read::0,100",
        "qXfer:features:write::0:", "qXfer:exec-file:read::0,100", "qXfer", "\\xff"}) {
    expect(dialogue, fmt::format("> {}\n<\n", packet));
  }
  EXPECT_EQ(dialogue.target.take_calls(), "");
}

TEST(GdbSession, AcknowledgesUntilBothAgreeNotTo) {
  Dialogue dialogue;
  dialogue.session.receive("$qC#b4");
  EXPECT_EQ(dialogue.transport.sent, "+$QC1#c5");
  dialogue.session.receive("+$qC#b5");
  EXPECT_EQ(dialogue.transport.sent, "+$QC1#c5-");
  dialogue.transport.sent.clear();
  dialogue.session.receive(frame("QStartNoAckMode") + "+" + frame("qC"));
  EXPECT_EQ(dialogue.transport.sent, "+$OK#9a$QC1#c5");
}

TEST(GdbSession, APacketMayComeInPieces) {
  Dialogue dialogue;
  for (const char byte : std::string_view("+$qC#b4")) dialogue.session.receive({&byte, 1});
  EXPECT_EQ(dialogue.transport.sent, "+$QC1#c5");
}

TEST(GdbSession, Threads) {
  Dialogue dialogue;
  dialogue.target.edit_state(1).halted = 1;
  expect(
      dialogue,
      "> qfThreadInfo\n"
      "< m1,2\n"
      "> qsThreadInfo\n"
      "< l\n"
      "> qThreadExtraInfo,1\n"
      "< 4350552030202843504c203329\n"
      "> qThreadExtraInfo,3\n"
      "< E03\n"
      "> T2\n"
      "< OK\n"
      "> T3\n"
      "< E03\n"
      "> T0\n"
      "< E03\n"
      "> Hg2\n"
      "< OK\n"
      "> qC\n"
      "< QC2\n"
      "> Hg0\n"
      "< OK\n"
      "> qC\n"
      "< QC2\n"
      "> Hc-1\n"
      "< OK\n"
      "> Hg3\n"
      "< E03\n"
      "> Hgp1.1\n"
      "< E03\n"
      "> Hx1\n"
      "< E16\n"
      "> qXfer:threads:read::0,1000\n"
      "< l<?xml version=\"1.0\"?>\\x0a<threads>\\x0a<thread id=\"1\" core=\"0\">CPU 0 (CPL 3)</thread>\\x0a"
      "<thread id=\"2\" core=\"1\">CPU 1 (CPL 0, halted)</thread>\\x0a</threads>\\x0a\n");
}

TEST(GdbSession, Registers) {
  Dialogue dialogue;
  expect(dialogue,
         "> p10\n"
         "< 0010400000000000\n"
         "> Hg2\n"
         "< OK\n"
         "> p10\n"
         "< 0011400000000000\n"
         "> P0=8877665544332211\n"
         "< OK\n"
         "> p0\n"
         "< 8877665544332211\n"
         "> pfff\n"
         "< E16\n"
         "> P0=88\n"
         "< E16\n"
         "> P0\n"
         "< E16\n"
         "> p\n"
         "< E16\n"
         "> G00\n"
         "< E16\n");
  EXPECT_EQ(dialogue.target.take_calls(), "set_state 1");
  EXPECT_EQ(dialogue.target.state(1).reg(x86::Gpr::kRax), 0x1122334455667788u);
}

TEST(GdbSession, AllRegistersAndBack) {
  Dialogue dialogue;
  std::string all = encode_registers({dialogue.target.state(0), dialogue.target.fpu(0)});
  expect(dialogue, "> g\n< " + all + "\n");
  expect(dialogue, "> G" + all + "\n< OK\n");
  EXPECT_EQ(dialogue.target.take_calls(), "") << "nothing changed: history stays";
  all[1] = '5';
  all[2 * (16 * 8 + 8 + 4 + 6 * 4)] = '1';  // ST0
  expect(dialogue, "> G" + all + "\n< OK\n> g\n< " + all + "\n");
  EXPECT_EQ(dialogue.target.take_calls(), "set_state 0; set_fpu 0");
}

TEST(GdbSession, ARefusedRegisterTellsWhy) {
  Dialogue dialogue;
  const size_t before_system = 16 + 1 + 1 + 6 + 8 + 8 + 16 + 1 + 2;
  expect(dialogue, fmt::format("> P{:x}=0010000000000000\n< E.CR3 cannot be changed\n", before_system + 2));
}

TEST(GdbSession, ReadsMemory) {
  Dialogue dialogue;
  dialogue.target.memory[1] = 0x2a;
  expect(dialogue,
         "> m401000,4\n"
         "< 902a9090\n"
         "> m401ffe,8\n"
         "< 9090\n"
         "> m402000,1\n"
         "< E0e\n"
         "> mffffffffffffffff,10\n"
         "< E0e\n"
         "> m0,ffffffffffffffff\n"
         "< E0e\n"
         "> m401000\n"
         "< E16\n"
         "> m401000,4x\n"
         "< E16\n"
         "> m10000000000401000,4\n"
         "< E16\n"
         "> m,\n"
         "< E16\n");
  EXPECT_EQ(dialogue.speak("> m401000,ffff").size(),
            std::string_view("> m401000,ffff\n< \n").size() + 2 * 0x1000);
}

TEST(GdbSession, WritesMemory) {
  Dialogue dialogue;
  expect(dialogue,
         "> M401000,2:1234\n"
         "< OK\n"
         "> X401002,4:$#}*\n"
         "< OK\n"
         "> X401002,0:\n"
         "< OK\n"
         "> m401000,8\n"
         "< 123424237d2a9090\n"
         "> M401000,2:1234\n"
         "< OK\n"
         "> M401fff,2:1234\n"
         "< E0e\n"
         "> Mffffffffffffffff,2:1234\n"
         "< E0e\n"
         "> M401000,3:1234\n"
         "< E16\n"
         "> X401000,3:ab\n"
         "< E16\n"
         "> M401000:12\n"
         "< E16\n"
         "> M401000,1:1x\n"
         "< E16\n");
  EXPECT_EQ(dialogue.target.take_calls(), "write 0 0x401000+2; write 0 0x401002+4; write 0 0x401fff+2")
      << "what is there already is not written";
}

TEST(GdbSession, PhysicalMode) {
  Dialogue dialogue;
  dialogue.target.memory[0] = 0x2a;
  const std::string on = to_hex(std::string_view("physical on"));
  expect(dialogue,
         "> m0,1\n"
         "< E0e\n"
         "> qRcmd," +
             on +
             "\n"
             "< O" +
             to_hex(std::string_view("addresses are physical\n")) +
             "\n"
             "< OK\n"
             "> m0,1\n"
             "< 2a\n"
             "> M0,1:2b\n"
             "< OK\n"
             "> qqemu.PhyMemMode\n"
             "< 1\n"
             "> Z2,0,1\n"
             "< OK\n"
             "> Z0,401000,1\n"
             "< OK\n"
             "> Qqemu.PhyMemMode:0\n"
             "< OK\n"
             "> qqemu.PhyMemMode\n"
             "< 0\n"
             "> z2,0,1\n"
             "< OK\n");
  EXPECT_EQ(dialogue.target.memory[0], 0x2b);
  EXPECT_EQ(dialogue.target.take_calls(), "watch w physical 0x0+1; break 0x401000; unwatch w physical 0x0+1")
      << "breakpoints are linear; a watchpoint is removed as what it was";
}

TEST(GdbSession, BreakpointsAndWatchpoints) {
  Dialogue dialogue;
  expect(dialogue,
         "> Z0,401000,1\n"
         "< OK\n"
         "> Z1,401000,1\n"
         "< OK\n"
         "> z0,401000,1\n"
         "< OK\n"
         "> z0,401000,1\n"
         "< OK\n");
  EXPECT_EQ(dialogue.target.take_calls(), "break 0x401000; break 0x401000") << "one of two is left";
  expect(dialogue,
         "> z1,401000,1\n"
         "< OK\n"
         "> z1,401000,1\n"
         "< OK\n"
         "> Z2,10,8\n"
         "< OK\n"
         "> Z3,10,8\n"
         "< OK\n"
         "> Z4,10,8\n"
         "< OK\n"
         "> z3,10,8\n"
         "< OK\n"
         "> z3,10,8\n"
         "< OK\n"
         "> Z2,10,0\n"
         "< E16\n"
         "> Z2,ffffffffffffffff,2\n"
         "< E16\n"
         "> Z0,10\n"
         "< E16\n"
         "> Z0\n"
         "< E16\n"
         "> Z0,x,1\n"
         "< E16\n");
  EXPECT_EQ(dialogue.target.take_calls(),
            "unbreak 0x401000; watch w 0x10+8; watch r 0x10+8; watch rw 0x10+8; unwatch r 0x10+8");
}

TEST(GdbSession, EndingRemovesWhatGdbInserted) {
  FakeTarget target;
  FakeTransport transport;
  {
    Session session(target, transport, {});
    session.receive(frame("Z0,401000,1") + frame("Z2,401000,1"));
    EXPECT_TRUE(target.has_stops());
  }
  EXPECT_FALSE(target.has_stops());
}

TEST(GdbSession, DetachesAndIsKilled) {
  Dialogue detached;
  expect(detached, "> Z0,401000,1\n< OK\n> D\n< OK\n");
  EXPECT_EQ(detached.session.state(), Session::State::kDetached);
  EXPECT_FALSE(detached.target.has_stops());
  EXPECT_EQ(detached.speak("> qC"), "> qC\n") << "nobody listens any more";

  Dialogue killed;
  expect(killed, "> k\n");
  EXPECT_EQ(killed.session.state(), Session::State::kKilled);
  Dialogue killed_too;
  expect(killed_too, "> vKill;a410\n< OK\n");
  EXPECT_EQ(killed_too.session.state(), Session::State::kKilled);
}

TEST(GdbSession, Transfers) {
  Dialogue dialogue(1, {.exec_file = "/bin/a*b", .monitor = {}});
  expect(dialogue,
         "> qXfer:exec-file:read:1:0,100\n"
         "< l/bin/a*b\n"
         "> qXfer:exec-file:read:1:2,3\n"
         "< min/\n"
         "> qXfer:exec-file:read:1:8,3\n"
         "< l\n"
         "> qXfer:exec-file:read:1:9,3\n"
         "< E16\n"
         "> qXfer:features:read:other.xml:0,100\n"
         "< E00\n"
         "> qXfer:features:read:target.xml:0\n"
         "< E16\n"
         "> qXfer:features:read:target.xml\n"
         "< E16\n"
         "> qXfer:threads:read:x:0,100\n"
         "< E00\n");
  EXPECT_TRUE(dialogue.speak("> qSupported").ends_with(";qXfer:exec-file:read+\n"));
  EXPECT_NE(dialogue.speak("> qXfer:memory-map:read::0,1000").find("start=\"0x8000000000000000\""),
            std::string::npos);
}

TEST(GdbSession, DescriptionInPieces) {
  Dialogue dialogue;
  std::string xml;
  for (bool more = true; more;) {
    dialogue.transport.sent.clear();
    dialogue.session.receive(frame(fmt::format("qXfer:features:read:target.xml:{:x},3ff", xml.size())));
    PacketReader reader;
    reader.feed(dialogue.transport.sent.substr(1));
    const auto item = reader.next();
    ASSERT_TRUE(item.has_value());
    const std::string_view body = item->body;
    ASSERT_TRUE(body.starts_with('m') || body.starts_with('l'));
    more = body[0] == 'm';
    xml += body.substr(1);
  }
  EXPECT_EQ(xml, target_description());
}

TEST(GdbSession, Monitor) {
  std::string heard;
  Dialogue dialogue(1, {.exec_file = {}, .monitor = [&heard](std::string_view text) {
                          heard = text;
                          return text == "long" ? std::string(10'000, 'a') : text == "quiet" ? "" : "said";
                        }});
  expect(dialogue,
         "> qRcmd,20776f7264207820\n"
         "< O736169640a\n"
         "< OK\n"
         "> qRcmd,7175696574\n"
         "< OK\n"
         "> qRcmd,7\n"
         "< E16\n"
         "> qRcmd,xx\n"
         "< E16\n");
  EXPECT_EQ(heard, "quiet");
  const std::string long_text = dialogue.speak("> qRcmd,6c6f6e67");
  EXPECT_EQ(std::ranges::count(long_text, '\n'), 4) << "in two pieces, and OK";
}

TEST(GdbSession, WithoutAMonitorItSaysWhatThereIs) {
  Dialogue dialogue;
  EXPECT_TRUE(dialogue.speak("> qRcmd,68656c70").starts_with("> qRcmd,68656c70\n< O706879736963616c"));
  EXPECT_TRUE(dialogue.speak("> qRcmd,").ends_with("\n< OK\n"));
}

}  // namespace
}  // namespace mmuscope::debug::gdb
