// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace mmuscope::matrix {
namespace {

Scenario scenario(const char* id, const char* mapcount, const char* pte) {
  return {.id = id,
          .title = "title",
          .recipe = "a|b",
          .expected = {{"mapcount", *parse_cell(mapcount)}, {"pte", *parse_cell(pte)}}};
}

Cell measured(const char* text) { return {.measured = parse_cell(text), .trouble = {}, .notes = {}}; }

// S02: as expected under mapcount, one copy too many under pte. S03: nothing to be known under mapcount.
Table some_table() {
  Table table{.policies = {"mapcount", "pte"}, .rows = {}, .native = {}};
  table.rows.push_back({scenario("S02", "LEAK", "ok/1"), {measured("LEAK/9"), measured("ok/2")}});
  table.rows[0].cells[0].notes = {"not ok 1 - the pipe"};
  table.rows.push_back({scenario("S03", "ok/1", "ok"), {Cell{}, measured("ok/5")}});
  table.rows[1].cells[0].trouble = "the kernel panicked";
  return table;
}

template <typename Print>
std::string text_of(Print print, const Table& table) {
  std::ostringstream out;
  print(out, table);
  return out.str();
}

TEST(Table, CountsDifferences) {
  const Table table = some_table();
  EXPECT_EQ(table.cells(), 4u);
  EXPECT_EQ(table.differences(), 2u);
  EXPECT_TRUE(table.as_expected(0, 0));
  EXPECT_FALSE(table.as_expected(0, 1));
  EXPECT_FALSE(table.as_expected(1, 0));
  EXPECT_TRUE(table.as_expected(1, 1));
}

TEST(Table, TextMarksDifferencesAndExplainsThem) {
  EXPECT_EQ(
      text_of(print_text, some_table()),
      "     mapcount  pte\n"
      "S02  LEAK      ok/2 !ok/1  title\n"
      "S03  ? !ok/1   ok          title\n"
      "\n"
      "ok       as it has to be; /N: N pages were copied on the way\n"
      "LEAK     somebody reads what he must not: a child its parent's later writes, or the other way round\n"
      "?        no verdict could be told; the reason stands below\n"
      "\n"
      "2 of 4 cells are as expected; of the others, what was expected follows the !\n"
      "\n"
      "S02 title: a|b\n"
      "pte ok/2 !ok/1\n"
      "\n"
      "S03 title: a|b\n"
      "mapcount ? !ok/1\n"
      "  the kernel panicked\n");
}

TEST(Table, TextKeepsToTheWidthOfATerminal) {
  Table table = some_table();
  table.rows[0].scenario.title = std::string(200, 'x');
  const std::string text = text_of(print_text, table);
  EXPECT_NE(text.find("S02  LEAK      ok/2 !ok/1  " + std::string(90, 'x') + "...\n"), std::string::npos)
      << text;
}

TEST(Table, CellsWithOneExplanationShareIt) {
  Table table = some_table();
  table.rows[1].cells[1] = table.rows[1].cells[0];
  const std::string text = text_of(print_text, table);
  EXPECT_NE(text.find("mapcount ? !ok/1, pte ? !ok\n  the kernel panicked\n"), std::string::npos) << text;
}

TEST(Table, LinuxIsAColumnWithReasons) {
  Table table = some_table();
  table.native = NativeResults{"Linux 6", {{"S02", *parse_cell("ok")}, {"S03", {"skip", {}, "no pipes"}}}};
  const std::string text = text_of(print_text, table);
  EXPECT_NE(text.find("S02  LEAK      ok/2 !ok/1  ok     title\n"), std::string::npos) << text;
  EXPECT_NE(text.find("S03  ? !ok/1   ok          skip   title\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  skipped S03: no pipes\n"), std::string::npos) << text;
  EXPECT_NE(text.find("skip     what the scenario needs is not there"), std::string::npos) << text;
  EXPECT_NE(text_of(print_markdown, table).find("\nSkipped on Linux:\n\n* S03: no pipes\n"),
            std::string::npos);
}

TEST(Table, OfLinuxOnlyWhatTheRowsHave) {
  Table table = some_table();
  table.native = NativeResults{"Linux 6", {{"S02", *parse_cell("ok")}, {"S77", {"skip", {}, "no pipes"}}}};
  EXPECT_EQ(text_of(print_markdown, table).find("Skipped"), std::string::npos);
  const auto json = nlohmann::json::parse(text_of(print_json, table));
  EXPECT_EQ(json["linux"]["outcomes"].size(), 1u);
  EXPECT_TRUE(json["linux"]["outcomes"].contains("S02"));
}

// Those of Linux, and those that were expected instead, too.
TEST(Table, ExplainsAllWordsThatStandInIt) {
  Table table = some_table();
  table.rows[0].scenario.expected["pte"] = *parse_cell("STALE");
  table.native = NativeResults{"Linux 6", {{"S02", *parse_cell("TORN")}}};
  const std::string text = text_of(print_text, table);
  EXPECT_NE(text.find("\nSTALE    a device"), std::string::npos) << text;
  EXPECT_NE(text.find("\nTORN     a child"), std::string::npos) << text;
  EXPECT_EQ(text.find("\nHANG "), std::string::npos) << text;
}

TEST(Table, Markdown) {
  EXPECT_EQ(
      text_of(print_markdown, some_table()),
      "| # | recipe | `mapcount` | `pte` |\n"
      "|---|---|---|---|\n"
      "| S02 | a\\|b | **LEAK** | ok/2 (expected ok/1) |\n"
      "| S03 | a\\|b | ? (expected ok/1) | ok |\n"
      "\n"
      "* `ok`: as it has to be; /N: N pages were copied on the way\n"
      "* `LEAK`: somebody reads what he must not: a child its parent's later writes, or the other way round\n"
      "* `?`: no verdict could be told; the reason stands below\n");
}

TEST(Table, JsonTellsAll) {
  const auto json = nlohmann::json::parse(text_of(print_json, some_table()));
  EXPECT_EQ(json["differences"], 2);
  ASSERT_EQ(json["cells"].size(), 4u);
  EXPECT_EQ(json["cells"][0]["measured"], (nlohmann::json{{"verdict", "LEAK"}, {"copies", 9}}));
  EXPECT_EQ(json["cells"][0]["notes"][0], "not ok 1 - the pipe");
  EXPECT_EQ(json["cells"][1]["as_expected"], false);
  EXPECT_EQ(json["cells"][2]["measured"], nullptr);
  EXPECT_EQ(json["cells"][2]["trouble"], "the kernel panicked");
}

}  // namespace
}  // namespace mmuscope::matrix
