// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/packet.h"

#include <gtest/gtest.h>

#include <random>

#include "debug/gdb/hex.h"

namespace mmuscope::debug::gdb {
namespace {

using Kind = PacketReader::Kind;

// A letter for each item: P(body) packet, C corrupt, L too long, + - as they are, I interrupt.
std::string items(PacketReader& reader) {
  std::string text;
  while (const auto item = reader.next()) {
    text += "PCL+-I"[static_cast<size_t>(item->kind)];
    if (item->kind == Kind::kPacket) text += "(" + item->body + ")";
  }
  return text;
}

std::string read(std::string_view bytes) {
  PacketReader reader;
  reader.feed(bytes);
  return items(reader);
}

TEST(GdbPacket, FramesWithChecksumAndEscapes) {
  EXPECT_EQ(frame(""), "$#00");
  EXPECT_EQ(frame("OK"), "$OK#9a");
  EXPECT_EQ(frame("a}b"), "$a}]b#9d");
  EXPECT_EQ(read(frame("$#}*+-\x03")), "P($#}*+-\x03)");
}

TEST(GdbPacket, WhatIsFramedIsReadBackWhole) {
  std::string all;
  for (int i = 0; i < 256; i++) all += static_cast<char>(i);
  EXPECT_EQ(read(frame(all)), "P(" + all + ")");
  PacketReader reader;
  for (const char byte : frame(all)) reader.feed({&byte, 1});
  EXPECT_EQ(items(reader), "P(" + all + ")");
}

TEST(GdbPacket, ReadsAcknowledgmentsAndInterruptsBetweenPackets) {
  EXPECT_EQ(read("+-\x03$OK#9a\x03+"), "+-IP(OK)I+");
  EXPECT_EQ(read("noise\r\n$OK#9A"), "P(OK)");
}

TEST(GdbPacket, InterruptByteInsideABodyIsData) { EXPECT_EQ(read("$\x03#03"), "P(\x03)"); }

TEST(GdbPacket, ReportsDamage) {
  EXPECT_EQ(read("$OK#9b"), "C");
  EXPECT_EQ(read("$OK#x0"), "C");
  EXPECT_EQ(read("$OK}#17"), "C") << "an escape of nothing";
}

TEST(GdbPacket, APacketThatWasCutOffIsForgotten) {
  EXPECT_EQ(read("$m1234$OK#9a"), "P(OK)");
  EXPECT_EQ(read("$m1234#$OK#9a"), "P(OK)");
  EXPECT_EQ(read("$m1234#0$OK#9a"), "P(OK)");
  EXPECT_EQ(read("$m1234"), "");
}

TEST(GdbPacket, SizeHasALimitAndTheNextPacketIsRead) {
  const std::string fits(kPacketSize, 'a');
  EXPECT_EQ(read(frame(fits)), "P(" + fits + ")");
  EXPECT_EQ(read(frame(fits + "a") + frame("OK")), "LP(OK)");
  EXPECT_EQ(read("$" + std::string(10 * kPacketSize, '}') + frame("OK")), "P(OK)");
}

TEST(GdbPacket, TakesInterruptsOut) {
  PacketReader reader;
  reader.feed("$OK#9a\x03\x03+");
  EXPECT_TRUE(reader.take_interrupts());
  EXPECT_FALSE(reader.take_interrupts());
  EXPECT_EQ(items(reader), "P(OK)+");
}

TEST(GdbPacket, NoiseIsSurvived) {
  std::mt19937 random(1);
  PacketReader reader;
  size_t count = 0;
  for (int i = 0; i < 200'000; i++) {
    const char byte =
        "$#}+-*\x03"
        "0f"[random() % 9];
    reader.feed({&byte, 1});
    while (reader.next()) count++;
  }
  EXPECT_GT(count, 0u);
}

struct Wire {
  std::string sent;
  PacketLink link{[this](std::string_view bytes) { sent += bytes; }};

  std::string take() { return std::exchange(sent, {}); }
};

TEST(GdbLink, AcknowledgesWhatIsIntactAndRefusesWhatIsNot) {
  Wire wire;
  wire.link.feed("$OK#9b$OK#9a");
  EXPECT_EQ(wire.link.next(), "OK");
  EXPECT_EQ(wire.take(), "-+");
  EXPECT_EQ(wire.link.next(), std::nullopt);
}

TEST(GdbLink, SendsAgainWhatWasNotUnderstood) {
  Wire wire;
  wire.link.send("O61");
  wire.link.send("T05");
  const std::string first = frame("O61");
  const std::string second = frame("T05");
  EXPECT_EQ(wire.take(), first + second);
  wire.link.feed("+-");
  EXPECT_EQ(wire.link.next(), std::nullopt);
  EXPECT_EQ(wire.take(), second);
  wire.link.feed("-+");
  EXPECT_EQ(wire.link.next(), std::nullopt);
  EXPECT_EQ(wire.take(), second);
  wire.link.feed("-");
  EXPECT_EQ(wire.link.next(), std::nullopt);
  EXPECT_EQ(wire.take(), "") << "everything is acknowledged";
}

TEST(GdbLink, AQuestionAcknowledgesTheAnswerBefore) {
  Wire wire;
  wire.link.send("OK");
  wire.link.feed("$qC#b4");
  EXPECT_EQ(wire.link.next(), "qC");
  wire.take();
  wire.link.feed("-");
  EXPECT_EQ(wire.link.next(), std::nullopt);
  EXPECT_EQ(wire.take(), "");
}

TEST(GdbLink, WithoutAcknowledgmentsDamageIsDropped) {
  Wire wire;
  wire.link.stop_acknowledging();
  wire.link.feed("$OK#9b$OK#9a");
  EXPECT_EQ(wire.link.next(), "OK");
  wire.link.send("OK");
  wire.link.feed("-");
  EXPECT_EQ(wire.link.next(), std::nullopt);
  EXPECT_EQ(wire.take(), "$OK#9a");
}

TEST(GdbLink, TellsThatAPacketIsTooLong) {
  Wire wire;
  wire.link.feed(frame(std::string(kPacketSize + 1, 'a')) + "$OK#9a");
  EXPECT_EQ(wire.link.next(), "OK");
  EXPECT_EQ(wire.take(), "+" + frame("E.the packet is longer than PacketSize") + "+");
}

TEST(GdbHex, ReadsOnlyWhatFits) {
  std::string_view text = "ffffffffffffffff,1";
  EXPECT_EQ(take_hex(text), ~uint64_t{0});
  EXPECT_EQ(text, ",1");
  EXPECT_EQ(take_hex(text), std::nullopt);
  text = "10000000000000000";
  EXPECT_EQ(take_hex(text), std::nullopt);
  EXPECT_EQ(from_hex("0aFf"), "\x0a\xff");
  EXPECT_EQ(from_hex("0af"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
}

}  // namespace
}  // namespace mmuscope::debug::gdb
