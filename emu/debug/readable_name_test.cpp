// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/readable_name.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace mmuscope {
namespace {

TEST(ReadableName, NamesOfCStayAsTheyAre) {
  for (const char* name :
       {"h", "i", "f", "v", "x", "d", "m", "PKc", "main", "_start", "_Zebra", "f(x)", "_Z", ""})
    EXPECT_EQ(readable_name(name), name);
}

TEST(ReadableName, ParametersAndReturnTypesGo) {
  EXPECT_EQ(readable_name("_ZN2mk15handle_mm_faultERNS_12AddressSpaceEm"), "mk::handle_mm_fault");
  EXPECT_EQ(readable_name("_ZN12_GLOBAL__N_11Q1fEi"), "Q::f");
  EXPECT_EQ(readable_name("_ZNK1S1mEv"), "S::m");
  EXPECT_EQ(readable_name("_Z3foov.cold"), "foo");
  EXPECT_EQ(readable_name("_Z2ltIiEvT_"), "lt<int>");
  EXPECT_EQ(readable_name("_ZN12_GLOBAL__N_11gIiEEDTplfp_Li1EET_"), "g<int>");
  EXPECT_EQ(readable_name("_ZN1SILi1EE1ID1Ev"), "S<1>::I::~I");
}

TEST(ReadableName, TemplateArgumentsAreKeptWhole) {
  EXPECT_EQ(readable_name("_Z4tmplIL1E1EEvi"), "tmpl<(E)1>");
  EXPECT_EQ(readable_name("_Z2tfIXadL_ZNK3FunclEPcEEEvv"), "tf<&(Fun::operator()(char*) const)>");
  EXPECT_EQ(readable_name("_Z2tfIXadL_ZNK3FunltIiEEbT_EEEvv"), "tf<&(bool Fun::operator< <int>(int) const)>");
}

TEST(ReadableName, OperatorsAreKeptWhole) {
  EXPECT_EQ(readable_name("_ZNK3FunclEPc"), "Fun::operator()");
  EXPECT_EQ(readable_name("_ZNK3FunltIiEEbT_"), "Fun::operator< <int>");
  EXPECT_EQ(readable_name("_ZN3FunpmIiEEbT_"), "Fun::operator->*<int>");
  EXPECT_EQ(readable_name("_ZN3FunptEv"), "Fun::operator->");
  EXPECT_EQ(readable_name("_ZN3FunnwEm"), "Fun::operator new");
  EXPECT_EQ(readable_name("_ZN3FuncvSt8functionIFiiEEEv"), "Fun::operator std::function<int (int)>");
  EXPECT_EQ(readable_name("_ZN3FuncvPFiiEEv"), "Fun::operator int (*)(int)");
}

TEST(ReadableName, LambdasStayDistinct) {
  EXPECT_EQ(readable_name("_ZZ4mainENKUlPcE_clES_"), "main::{lambda(char*)#1}::operator()");
  EXPECT_EQ(readable_name("_ZZ4mainENKUliE0_clEi"), "main::{lambda(int)#2}::operator()");
  EXPECT_EQ(readable_name("_ZZN12_GLOBAL__N_11Q1fEiENKUlcE_clEc"), "Q::f(int)::{lambda(char)#1}::operator()");
  EXPECT_EQ(readable_name("_ZZ2ltIiEvT_ENKUlS0_E_clIdEEDaS0_"),
            "lt<int>(int)::{lambda(auto:1)#1}::operator()<double>");
}

TEST(ReadableName, WhatIsNoPlainFunctionIsNotTakenForOne) {
  EXPECT_EQ(readable_name("_ZThn8_N1D1wEv"), "non-virtual thunk to D::w");
  EXPECT_EQ(readable_name("_ZTV1D"), "vtable for D");
  EXPECT_EQ(readable_name("_ZZ1fvE1x"), "f()::x");
  EXPECT_EQ(readable_name("_Z2fpIiEPFvcET_"), "void (*fp<int>(int))(char)");
}

TEST(ReadableName, DamagedNamesDoNoHarm) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string name = "_ZZN12_GLOBAL__N_12ltIiEEvT_ENKUlS0_E_clIdEEDaS0_";
    for (int i = 0; i < 4; ++i) name[2 + random() % (name.size() - 2)] = "ZNEI_LlcvTDPFKS0129"[random() % 19];
    EXPECT_FALSE(readable_name(name.c_str()).empty()) << name;
  }
}

}  // namespace
}  // namespace mmuscope
