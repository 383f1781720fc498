// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/expectations.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace mmuscope::matrix {
namespace {

using Json = nlohmann::json;

Json good() {
  Json cells;
  for (const std::string_view policy : kPolicies) cells[std::string(policy)] = "ok/1";
  cells["mapcount"] = "LEAK";
  return {{"scenarios",
           {{{"id", "S28"}, {"title", "two writes"}, {"recipe", "fork"}, {"cpus", 2}, {"expected", cells}}}}};
}

std::string refused(const std::string& text) {
  const auto parsed = parse_expectations(text);
  if (parsed) return "taken";
  EXPECT_EQ(parsed.error().kind, ErrorKind::kData);
  return parsed.error().message;
}

// A pointer into the good document, and what stands there instead.
std::string refused(const char* pointer, const Json& value) {
  Json json = good();
  json[Json::json_pointer(pointer)] = value;
  return refused(json.dump());
}

TEST(Expectations, AreRead) {
  const auto scenarios = parse_expectations(good().dump());
  ASSERT_TRUE(scenarios) << scenarios.error().message;
  ASSERT_EQ(scenarios->size(), 1u);
  const Scenario& scenario = scenarios->front();
  EXPECT_EQ(scenario.program(), "s28");
  EXPECT_EQ(scenario.cpus, 2u);
  EXPECT_EQ(scenario.expected.at("mapcount"), (Outcome{.verdict = "LEAK"}));
  EXPECT_EQ(scenario.expected.at("pte"), (Outcome{.verdict = "ok", .copies = 1}));
}

TEST(Expectations, SayWhatIsDamaged) {
  EXPECT_TRUE(refused("").starts_with("is no JSON")) << refused("");
  EXPECT_TRUE(refused(good().dump().substr(0, 90)).starts_with("is no JSON"));
  EXPECT_EQ(refused("[]"), "the file is no object");
  EXPECT_EQ(refused("{}"), "the file has no \"scenarios\"");
  EXPECT_EQ(refused("/scenarios", Json::array()), "\"scenarios\" is no list of scenarios");
  EXPECT_EQ(refused("/scenarios/0", 5), "scenario number 1 is no object");
  EXPECT_EQ(refused("/scenarios/0/id", "../x"),
            "scenario number 1 is called \"../x\": S and digits are needed");
  EXPECT_EQ(refused("/scenarios/0/id", 28), "scenario number 1's id is no text");
  EXPECT_EQ(refused("/scenarios/0/cpus", 0), "S28's cpus is no number from 1 to 8");
  EXPECT_EQ(refused("/scenarios/0/cpus", 9), "S28's cpus is no number from 1 to 8");
  EXPECT_EQ(refused("/scenarios/0/expected", "ok"), "S28's expected is no object");
  EXPECT_EQ(refused("/scenarios/0/expected/pte", "fine"),
            "S28 expects \"fine\" of pte: neither VERDICT nor VERDICT/COPIES");
  EXPECT_EQ(refused("/scenarios/0/expected/lru", "ok"), "S28 expects something of lru, which is no policy");
  EXPECT_EQ(refused("/scenarios/0/expected", Json{{"pte", "ok"}}), "S28 expects nothing of mapcount");
  EXPECT_EQ(refused("/scenarios/1", good()["scenarios"][0]), "S28 is there twice");
}

TEST(Expectations, TheProjectsOwnAreGood) {
  std::stringstream text;
  text << std::ifstream(EXPECTED_JSON).rdbuf();
  const auto scenarios = parse_expectations(text.str());
  ASSERT_TRUE(scenarios) << scenarios.error().message;
  EXPECT_GE(scenarios->size(), 26u);
}

TEST(Native, IsRead) {
  const auto results = parse_native(
      R"({"kernel": "Linux 6.18", "outcomes": {"S01": "ok", "S28": "TORN", "S07": "skip no gup_test"}})");
  ASSERT_TRUE(results) << results.error().message;
  EXPECT_EQ(results->kernel, "Linux 6.18");
  EXPECT_EQ(results->outcomes.at("S28").verdict, "TORN");
  EXPECT_EQ(results->outcomes.at("S07"), (Outcome{.verdict = "skip", .copies = {}, .reason = "no gup_test"}));
}

TEST(Native, SaysWhatIsDamaged) {
  const auto message = [](const char* text) { return parse_native(text).error().message; };
  EXPECT_EQ(message(R"({"outcomes": {}})"), "the file has no \"kernel\"");
  EXPECT_EQ(message(R"({"kernel": "x", "outcomes": []})"), "\"outcomes\" is no object");
  EXPECT_EQ(message(R"({"kernel": "x", "outcomes": {"S01": "good"}})"), "S01 is \"good\": no verdict");
  EXPECT_EQ(message(R"({"kernel": "x", "outcomes": {"T01": "ok"}})"), "\"T01\" is no scenario");
}

}  // namespace
}  // namespace mmuscope::matrix
