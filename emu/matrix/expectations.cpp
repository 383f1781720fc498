// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mmuscope::matrix {
namespace {

using Json = nlohmann::json;

constexpr unsigned kMostCpus = 8;

// Thrown inside this file only, to keep the reading of what is nested in one piece.
struct Damaged {
  std::string what;
};

template <typename... Values>
[[noreturn]] void damaged(fmt::format_string<const Values&...> format, const Values&... values) {
  throw Damaged{fmt::format(format, values...)};
}

const Json& member(const Json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end()) damaged("{} has no \"{}\"", where, name);
  return *found;
}

std::string text(const Json& value, const std::string& where) {
  if (!value.is_string()) damaged("{} is no text", where);
  return value.get<std::string>();
}

void must_be_object(const Json& value, const std::string& where) {
  if (!value.is_object()) damaged("{} is no object", where);
}

// It is the name of a file, too.
bool is_id(const std::string& id) {
  return id.size() >= 2 && id.size() <= 8 && id[0] == 'S' &&
         std::all_of(id.begin() + 1, id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::map<std::string, Outcome> expected_of(const Json& cells, const std::string& id) {
  std::map<std::string, Outcome> expected;
  for (const auto& [policy, cell] : cells.items()) {
    if (std::find(kPolicies.begin(), kPolicies.end(), policy) == kPolicies.end())
      damaged("{} expects something of {}, which is no policy", id, policy);
    const std::string written = text(cell, fmt::format("{}'s expectation of {}", id, policy));
    const auto outcome = parse_cell(written);
    if (!outcome) damaged("{} expects \"{}\" of {}: neither VERDICT nor VERDICT/COPIES", id, written, policy);
    expected[policy] = *outcome;
  }
  for (const std::string_view policy : kPolicies)
    if (!expected.contains(std::string(policy))) damaged("{} expects nothing of {}", id, policy);
  return expected;
}

Scenario scenario_of(const Json& value, size_t index) {
  const std::string where = fmt::format("scenario number {}", index + 1);
  must_be_object(value, where);
  Scenario scenario;
  scenario.id = text(member(value, "id", where), where + "'s id");
  if (!is_id(scenario.id)) damaged("{} is called \"{}\": S and digits are needed", where, scenario.id);
  scenario.title = text(member(value, "title", scenario.id), scenario.id + "'s title");
  scenario.recipe = text(member(value, "recipe", scenario.id), scenario.id + "'s recipe");
  if (const auto cpus = value.find("cpus"); cpus != value.end()) {
    if (!cpus->is_number_unsigned() || cpus->get<uint64_t>() < 1 || cpus->get<uint64_t>() > kMostCpus)
      damaged("{}'s cpus is no number from 1 to {}", scenario.id, kMostCpus);
    scenario.cpus = cpus->get<unsigned>();
  }
  const Json& cells = member(value, "expected", scenario.id);
  must_be_object(cells, scenario.id + "'s expected");
  scenario.expected = expected_of(cells, scenario.id);
  return scenario;
}

std::vector<Scenario> scenarios_of(const Json& json) {
  must_be_object(json, "the file");
  const Json& list = member(json, "scenarios", "the file");
  if (!list.is_array() || list.empty()) damaged("\"scenarios\" is no list of scenarios");
  std::vector<Scenario> scenarios;
  for (size_t i = 0; i < list.size(); ++i) {
    scenarios.push_back(scenario_of(list[i], i));
    for (size_t before = 0; before < i; ++before)
      if (scenarios[before].id == scenarios[i].id) damaged("{} is there twice", scenarios[i].id);
  }
  return scenarios;
}

NativeResults native_of(const Json& json) {
  must_be_object(json, "the file");
  NativeResults results;
  results.kernel = text(member(json, "kernel", "the file"), "\"kernel\"");
  const Json& outcomes = member(json, "outcomes", "the file");
  must_be_object(outcomes, "\"outcomes\"");
  for (const auto& [id, value] : outcomes.items()) {
    if (!is_id(id)) damaged("\"{}\" is no scenario", id);
    const std::string written = text(value, id);
    auto outcome = parse_cell(written);
    if (!outcome && written.starts_with("skip "))
      outcome =
          Outcome{.verdict = std::string(kSkip), .copies = {}, .reason = written.substr(kSkip.size() + 1)};
    if (!outcome) damaged("{} is \"{}\": no verdict", id, written);
    results.outcomes[id] = *outcome;
  }
  return results;
}

template <typename Read>
auto parse(std::string_view text, Read read) -> Expected<decltype(read(Json()))> {
  try {
    return read(Json::parse(text, nullptr, true, true));
  } catch (const Json::exception& error) {
    return fail(ErrorKind::kData, fmt::format("is no JSON: {}", error.what()));
  } catch (const Damaged& damage) {
    return fail(ErrorKind::kData, damage.what);
  }
}

}  // namespace

std::string Scenario::program() const { return "s" + id.substr(1); }

Expected<std::vector<Scenario>> parse_expectations(std::string_view json) {
  return parse(json, scenarios_of);
}

Expected<NativeResults> parse_native(std::string_view json) { return parse(json, native_of); }

}  // namespace mmuscope::matrix
