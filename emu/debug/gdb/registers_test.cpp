// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/registers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace mmuscope::debug::gdb {
namespace {

// Numbers by name, as gdb counts them: in the order of the description.
std::map<std::string, unsigned> numbers() {
  std::map<std::string, unsigned> result;
  const std::string& xml = target_description();
  constexpr std::string_view kBegin = "<reg name=\"";
  for (size_t at = xml.find(kBegin); at != xml.npos; at = xml.find(kBegin, at + 1)) {
    const size_t name = at + kBegin.size();
    const auto number = static_cast<unsigned>(result.size());
    result[xml.substr(name, xml.find('"', name) - name)] = number;
  }
  return result;
}

unsigned number(const std::string& name) { return numbers().at(name); }

std::string shown(const std::string& name, const RegisterFile& file) {
  return encode_register(number(name), file).value();
}

TEST(GdbRegisters, DescriptionNamesEachRegisterOnce) {
  EXPECT_EQ(numbers().size(), register_count());
  for (const char* name : {"rax",       "r15",     "rip",     "eflags",     "gs",
                           "st7",       "fop",     "xmm15",   "mxcsr",      "fs_base",
                           "gs_base",   "cr0",     "cr8",     "efer",       "kernel_gs_base",
                           "pkru",      "cs_base", "tr_base", "ldtr_limit", "gdtr_base",
                           "idtr_limit"}) {
    EXPECT_TRUE(numbers().contains(name)) << name;
  }
}

// gdb's own numbers of the core: what an i386:x86-64 description must begin with.
TEST(GdbRegisters, CoreHasTheNumbersThatGdbHas) {
  EXPECT_EQ(number("rax"), 0u);
  EXPECT_EQ(number("rsp"), 7u);
  EXPECT_EQ(number("rip"), 16u);
  EXPECT_EQ(number("eflags"), 17u);
  EXPECT_EQ(number("st0"), 24u);
  EXPECT_EQ(number("fctrl"), 32u);
  EXPECT_EQ(number("xmm0"), 40u);
  EXPECT_EQ(number("mxcsr"), 56u);
}

TEST(GdbRegisters, GeneralRegistersStandInGdbsOrder) {
  RegisterFile file;
  file.state.reg(x86::Gpr::kRbx) = 0x1122334455667788;
  file.state.reg(x86::Gpr::kRdi) = 0x10;
  EXPECT_EQ(encode_register(1, file), "8877665544332211");
  EXPECT_EQ(encode_register(5, file), "1000000000000000");
  EXPECT_TRUE(decode_register(2, "0100000000000000", file));
  EXPECT_EQ(file.state.reg(x86::Gpr::kRcx), 1u);
}

TEST(GdbRegisters, NarrowerAndWiderInThePacket) {
  RegisterFile file;
  file.state.rflags = 0x246;
  file.state.segment(x86::SegmentName::kGs).selector = 0x2b;
  EXPECT_EQ(shown("eflags", file), "46020000");
  EXPECT_EQ(shown("gs", file), "2b000000");
  EXPECT_TRUE(decode_register(number("gs"), "3300ffff", file));
  EXPECT_EQ(file.state.segment(x86::SegmentName::kGs), (x86::Segment{.selector = 0x33}));
}

TEST(GdbRegisters, SystemRegisters) {
  RegisterFile file;
  file.state.cr3 = 0x1000;
  file.state.pkru = 0x55555554;
  file.state.tr = {.base = 0xffff800000000000, .limit = 0x67, .selector = 0x40};
  file.state.idtr = {.base = 0x2000, .limit = 0xfff};
  file.state.segment(x86::SegmentName::kFs).base = 0x7000;
  EXPECT_EQ(shown("cr3", file), "0010000000000000");
  EXPECT_EQ(shown("pkru", file), "54555555");
  EXPECT_EQ(shown("tr", file), "4000");
  EXPECT_EQ(shown("tr_base", file), "000000000080ffff");
  EXPECT_EQ(shown("tr_limit", file), "67000000");
  EXPECT_EQ(shown("idtr_limit", file), "ff0f000000000000");
  EXPECT_EQ(shown("fs_base", file), "0070000000000000");
}

TEST(GdbRegisters, X87AndSse) {
  RegisterFile file;
  for (size_t i = 0; i < file.fpu.size(); i++) file.fpu[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(shown("fctrl", file), "00010000");
  EXPECT_EQ(shown("fop", file), "06070000");
  EXPECT_EQ(shown("fioff", file), "08090a0b");
  EXPECT_EQ(shown("fiseg", file), "0c0d0e0f");
  EXPECT_EQ(shown("fooff", file), "10111213");
  EXPECT_EQ(shown("mxcsr", file), "18191a1b");
  EXPECT_EQ(shown("st1", file),
            "303132333435363738"
            "39");
  EXPECT_EQ(shown("xmm1", file), "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf");
}

// Two values pushed: top is 6, so ST0 is physical register 6.
TEST(GdbRegisters, TagWordIsTheFullOne) {
  RegisterFile file;
  EXPECT_EQ(shown("ftag", file), "ffff0000");
  file.fpu[3] = 6 << 3;
  file.fpu[4] = 0xc0;
  file.fpu[32 + 7] = 0x80;  // ST0 = 1.0
  file.fpu[32 + 8] = 0xff;
  file.fpu[32 + 9] = 0x3f;  // ST1 = 0.0
  EXPECT_EQ(shown("ftag", file), "ff4f0000");
  file.fpu[48 + 9] = 0x7f;  // ST1: exponent all ones
  file.fpu[48 + 8] = 0xff;
  EXPECT_EQ(shown("ftag", file), "ff8f0000");
  EXPECT_TRUE(decode_register(number("ftag"), "fffc0000", file));
  EXPECT_EQ(file.fpu[4], 0x10);
}

TEST(GdbRegisters, AllTogether) {
  RegisterFile file;
  for (size_t i = 0; i < 16; i++) file.state.gpr[i] = 0x0101010101010101 * i;
  file.fpu[3] = 5 << 3;
  file.fpu[4] = 0xff;
  file.state.cr4 = 0x20;
  const std::string all = encode_registers(file);
  std::string joined;
  for (size_t i = 0; i < register_count(); i++) joined += encode_register(i, file).value();
  EXPECT_EQ(all, joined);
  RegisterFile copy;
  EXPECT_TRUE(decode_registers(all, copy));
  EXPECT_EQ(copy.state, file.state);
  EXPECT_EQ(encode_registers(copy), all);
}

TEST(GdbRegisters, WhatIsMalformedChangesNothing) {
  RegisterFile file;
  const std::string all = encode_registers(file);
  EXPECT_FALSE(decode_registers("", file));
  EXPECT_FALSE(decode_registers("ff" + all.substr(2, all.size() - 4), file));
  EXPECT_FALSE(decode_registers("ff" + all, file));
  EXPECT_FALSE(decode_registers("ffx" + all.substr(3), file));
  EXPECT_FALSE(decode_register(0, "ff", file));
  EXPECT_FALSE(decode_register(0, "ff0000000000000000", file));
  EXPECT_FALSE(decode_register(register_count(), "00", file));
  EXPECT_EQ(encode_register(register_count(), file), std::nullopt);
  EXPECT_EQ(file.state, x86::CpuState{});
}

}  // namespace
}  // namespace mmuscope::debug::gdb
