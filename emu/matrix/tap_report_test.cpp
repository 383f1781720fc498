// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/tap_report.h"

#include <gtest/gtest.h>

namespace mmuscope::matrix {
namespace {

constexpr char kGood[] = "TAP version 13\n1..2\nok 1 - one\nok 2 - other\n# verdict: ok\n# copies: 17\n";
constexpr char kLeak[] =
    "TAP version 13\n1..2\nok 1 - one\nnot ok 2 - the pipe\n# verdict: LEAK\n# copies: 0\n";

std::string refused(std::string_view text) {
  const auto report = parse_tap(text);
  return report ? "taken" : report.error().message;
}

TEST(TapReport, TellsVerdictAndCopies) {
  const auto report = parse_tap(kGood);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, (Outcome{.verdict = "ok", .copies = 17}));
  EXPECT_TRUE(report->failed.empty());
}

TEST(TapReport, TellsWhatFailed) {
  const auto report = parse_tap(kLeak);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome.verdict, "LEAK");
  EXPECT_EQ(report->failed, std::vector<std::string>{"not ok 2 - the pipe"});
}

TEST(TapReport, ConsolesEndLinesWithCarriageReturns) {
  const auto report = parse_tap("1..1\r\nok 1 - one\r\n# verdict: ok\r\n# copies: 3\r\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, (Outcome{.verdict = "ok", .copies = 3}));
}

TEST(TapReport, CopiesNeedNotBeCounted) {
  const auto report = parse_tap("1..1\nok 1 - one\n# verdict: ok\n# copies: not counted here\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome.copies, std::nullopt);
}

TEST(TapReport, ASkipHasAReason) {
  const auto report = parse_tap("TAP version 13\n1..0 # SKIP no pipes\n# verdict: skip no pipes\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome, (Outcome{.verdict = "skip", .copies = {}, .reason = "no pipes"}));
}

TEST(TapReport, OfAHangNoPlanIsKnown) {
  const auto report =
      parse_tap("TAP version 13\nnot ok 1 - it comes to an end\n# verdict: HANG\n# copies: 0\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome.verdict, "HANG");
}

TEST(TapReport, WithoutAVerdictNothingIsKnown) {
  EXPECT_EQ(refused(""), "no verdict told");
  EXPECT_EQ(refused("1..1\nok 1 - one\n"), "no verdict told");
  EXPECT_EQ(refused("1..1\nok 1 - one\nBail out! s01.c:3: x (why)\n# verdict: ok\n"),
            "it gave up: s01.c:3: x (why)");
  EXPECT_EQ(refused("# verdict: splendid\n"), "unknown verdict: splendid");
  EXPECT_EQ(refused("1..1\nok 1 - one\n# verdict: ok\n# copies: -1\n"), "no number of copies: -1");
  EXPECT_EQ(refused("1..1\nok 1 - one\n# verdict: ok\n# copies: 99999999999999999999\n"),
            "no number of copies: 99999999999999999999");
}

// A verdict alone proves nothing: each of these would pass if only that line were read.
TEST(TapReport, ContradictionsAreRefused) {
  const std::string head = "the report contradicts itself: ";
  EXPECT_EQ(refused("1..2\nok 1 - one\n# verdict: ok\n"), head + "2 expectations announced, 1 told");
  EXPECT_EQ(refused("ok 1 - one\n# verdict: ok\n"), head + "none expectations announced, 1 told");
  EXPECT_EQ(refused("1..1\nnot ok 1 - one\n# verdict: ok\n"), head + "verdict ok, but: not ok 1 - one");
  EXPECT_EQ(refused("1..0\n# verdict: ok\n"), head + "verdict ok, but nothing was expected");
  EXPECT_EQ(refused("1..1\nok 1 - one\n# verdict: LEAK\n"), head + "verdict LEAK, but all is well");
  EXPECT_EQ(refused("1..1\nok 1 - one\n# verdict: skip it\n"), head + "skipped after 1 expectations");
  EXPECT_EQ(refused("1..1\nok 1 - one\n# verdict: ok\n# verdict: ok\n"), head + "two verdicts");
  EXPECT_EQ(refused("1..1\n1..1\nok 1 - one\n# verdict: ok\n"), head + "two plans");
}

TEST(TapReport, WhatAGuestWritesIsFitToBeShown) {
  const auto report = parse_tap("1..1\nnot ok 1 - \x1b[2Jboo\n# verdict: LEAK\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->failed[0], "not ok 1 - ?[2Jboo");
  EXPECT_LT(refused("Bail out! " + std::string(100'000, 'x')).size(), 1000u);
}

TEST(Cells, AreReadAsTheyAreWritten) {
  for (const char* text : {"ok", "ok/0", "ok/128", "LEAK", "LOSTDMA", "TORN"}) {
    const auto outcome = parse_cell(text);
    ASSERT_TRUE(outcome) << text;
    EXPECT_EQ(cell_text(*outcome), text);
  }
  for (const char* text :
       {"", "/", "ok/", "ok/-1", "ok/1x", "ok 1", "leak", "skip", "ok/99999999999999999999"})
    EXPECT_FALSE(parse_cell(text)) << text;
}

TEST(Cells, AgreeInVerdictAndInCopiesThatAreExpected) {
  const auto agree = [](const char* expected, const char* measured) {
    return agrees(*parse_cell(expected), *parse_cell(measured));
  };
  EXPECT_TRUE(agree("ok/1", "ok/1"));
  EXPECT_TRUE(agree("ok", "ok/7"));
  EXPECT_TRUE(agree("LEAK", "LEAK/7"));
  EXPECT_FALSE(agree("ok/1", "ok/2"));
  EXPECT_FALSE(agree("ok/1", "ok"));
  EXPECT_FALSE(agree("ok/1", "LEAK/1"));
  EXPECT_FALSE(agree("LEAK", "STALE"));
}

}  // namespace
}  // namespace mmuscope::matrix
