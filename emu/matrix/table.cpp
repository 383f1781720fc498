// SPDX-License-Identifier: GPL-2.0-or-later
#include "matrix/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

namespace mmuscope::matrix {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUnknown = "?";  // in place of a verdict

const Outcome& expected(const Table& table, size_t row, size_t policy) {
  return table.rows[row].scenario.expected.at(table.policies[policy]);
}

// Copies are of interest where a number of them is expected.
std::string measured_text(const Table& table, size_t row, size_t policy) {
  const std::optional<Outcome>& measured = table.rows[row].cells[policy].measured;
  if (!measured) return kUnknown;
  return expected(table, row, policy).copies ? cell_text(*measured) : measured->verdict;
}

// What was expected stands behind what happened, where the two differ.
std::string text_of(const Table& table, size_t row, size_t policy) {
  std::string text = measured_text(table, row, policy);
  if (table.as_expected(row, policy)) return text;
  return text + " !" + cell_text(expected(table, row, policy));
}

// What this Linux made of the scenario; null: nothing is known.
const Outcome* native_outcome(const Table& table, const Row& row) {
  const auto found = table.native->outcomes.find(row.scenario.id);
  return found == table.native->outcomes.end() ? nullptr : &found->second;
}

std::string native_text(const Table& table, size_t row) {
  const Outcome* native = native_outcome(table, table.rows[row]);
  return native == nullptr ? "-" : cell_text(*native);
}

std::vector<std::vector<std::string>> text_rows(const Table& table) {
  std::vector<std::vector<std::string>> rows{{""}};
  rows[0].insert(rows[0].end(), table.policies.begin(), table.policies.end());
  if (table.native) rows[0].push_back("linux");
  for (size_t row = 0; row < table.rows.size(); ++row) {
    rows.push_back({table.rows[row].scenario.id});
    for (size_t policy = 0; policy < table.policies.size(); ++policy)
      rows.back().push_back(text_of(table, row, policy));
    if (table.native) rows.back().push_back(native_text(table, row));
  }
  return rows;
}

std::string explanation(const Cell& cell) {
  std::string text;
  if (!cell.trouble.empty()) text += "  " + cell.trouble + "\n";
  if (cell.measured && !cell.measured->reason.empty()) text += "  skipped: " + cell.measured->reason + "\n";
  for (const std::string& line : cell.notes) text += "  " + line + "\n";
  return text;
}

// Cells with one explanation share it.
void explain_differences(std::ostream& out, const Table& table, size_t row) {
  std::vector<std::pair<std::string, std::string>> cells;  // by explanation
  for (size_t policy = 0; policy < table.policies.size(); ++policy) {
    if (table.as_expected(row, policy)) continue;
    const std::string text = explanation(table.rows[row].cells[policy]);
    const auto same =
        std::find_if(cells.begin(), cells.end(), [&](const auto& one) { return one.first == text; });
    const std::string cell = fmt::format("{} {}", table.policies[policy], text_of(table, row, policy));
    if (same == cells.end())
      cells.emplace_back(text, cell);
    else
      same->second += ", " + cell;
  }
  const Scenario& scenario = table.rows[row].scenario;
  if (!cells.empty()) out << fmt::format("\n{} {}: {}\n", scenario.id, scenario.title, scenario.recipe);
  for (const auto& [text, list] : cells) out << list << "\n" << text;
}

// Reasons stand below the table, each once, with the scenarios it is of; above them, if there are any,
// `title`.
void explain_native_skips(std::ostream& out, const Table& table, const char* title, const char* indent) {
  std::map<std::string, std::string> scenarios;
  for (const Row& row : table.rows) {
    const Outcome* native = native_outcome(table, row);
    if (native == nullptr || native->verdict != kSkip) continue;
    std::string& list = scenarios[native->reason];
    list += (list.empty() ? "" : ", ") + row.scenario.id;
  }
  if (!scenarios.empty()) out << title;
  for (const auto& [reason, list] : scenarios) out << indent << list << ": " << reason << "\n";
}

std::string markdown_text(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string markdown_cell(const std::string& text) {
  return text.starts_with("ok") || text == kSkip || text == kUnknown ? text : "**" + text + "**";
}

Json json_of(const Outcome& outcome) {
  Json json{{"verdict", outcome.verdict}, {"copies", nullptr}};
  if (outcome.copies) json["copies"] = *outcome.copies;
  if (!outcome.reason.empty()) json["reason"] = outcome.reason;
  return json;
}

Json json_of(const Table& table, size_t row, size_t policy) {
  const Cell& cell = table.rows[row].cells[policy];
  Json json{{"scenario", table.rows[row].scenario.id},
            {"policy", table.policies[policy]},
            {"cpus", cell.cpus},
            {"as_expected", table.as_expected(row, policy)},
            {"expected", json_of(expected(table, row, policy))},
            {"measured", nullptr},
            {"instructions", cell.instructions}};
  if (cell.measured) json["measured"] = json_of(*cell.measured);
  if (!cell.trouble.empty()) json["trouble"] = cell.trouble;
  if (!cell.notes.empty()) json["notes"] = cell.notes;
  return json;
}

constexpr size_t kWidth = 120;

// A scenario's title, as far as the line has room.
std::string with_title(std::string line, size_t column, const Scenario& scenario) {
  if (column + 12 > kWidth) return line;
  line.resize(column, ' ');
  const size_t room = kWidth - column;
  return line + (scenario.title.size() <= room ? scenario.title : scenario.title.substr(0, room - 3) + "...");
}

// The verdicts that stand in the table, and "?".
std::set<std::string> words_shown(const Table& table) {
  std::set<std::string> words;
  for (size_t row = 0; row < table.rows.size(); ++row) {
    for (size_t policy = 0; policy < table.policies.size(); ++policy) {
      const std::optional<Outcome>& measured = table.rows[row].cells[policy].measured;
      words.insert(measured ? measured->verdict : kUnknown);
      if (!table.as_expected(row, policy)) words.insert(expected(table, row, policy).verdict);
    }
    if (!table.native) continue;
    if (const Outcome* native = native_outcome(table, table.rows[row])) words.insert(native->verdict);
  }
  return words;
}

// What the words mean that stand in the table: `line` is a format for word and meaning.
void explain_words(std::ostream& out, const Table& table,
                   fmt::format_string<std::string_view&, std::string_view&> line) {
  const std::set<std::string> shown = words_shown(table);
  const auto explain = [&](std::string_view word, std::string_view meaning) {
    if (shown.contains(std::string(word))) out << fmt::format(line, word, meaning);
  };
  for (const Verdict& verdict : kVerdicts) explain(verdict.word, verdict.meaning);
  explain(kSkip, "what the scenario needs is not there; the reason stands below");
  explain(kUnknown, "no verdict could be told; the reason stands below");
}

}  // namespace

bool Table::as_expected(size_t row, size_t policy) const {
  const Cell& cell = rows[row].cells[policy];
  return cell.measured && agrees(expected(*this, row, policy), *cell.measured);
}

size_t Table::differences() const {
  size_t count = 0;
  for (size_t row = 0; row < rows.size(); ++row)
    for (size_t policy = 0; policy < policies.size(); ++policy) count += !as_expected(row, policy);
  return count;
}

void print_text(std::ostream& out, const Table& table) {
  const auto rows = text_rows(table);
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  size_t column = 0;
  for (const size_t width : widths) column += width + 2;
  for (size_t at = 0; at < rows.size(); ++at) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) line += fmt::format("{:{}}  ", rows[at][i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out << (at == 0 ? line : with_title(line, column, table.rows[at - 1].scenario)) << "\n";
  }
  out << "\n";
  explain_words(out, table, "{:<7}  {}\n");
  const size_t differences = table.differences();
  out << fmt::format("\n{} of {} cells are as expected", table.cells() - differences, table.cells());
  out << (differences != 0 ? "; of the others, what was expected follows the !\n" : "\n");
  if (table.native) {
    out << "linux: " << table.native->kernel << "\n";
    explain_native_skips(out, table, "", "  skipped ");
  }
  for (size_t row = 0; row < table.rows.size(); ++row) explain_differences(out, table, row);
}

void print_markdown(std::ostream& out, const Table& table) {
  out << "| # | recipe |";
  for (const std::string& policy : table.policies) out << " `" << policy << "` |";
  if (table.native) out << " " << markdown_text(table.native->kernel) << " |";
  out << "\n|---|---|";
  for (size_t i = 0; i < table.policies.size() + (table.native ? 1 : 0); ++i) out << "---|";
  out << "\n";
  for (size_t row = 0; row < table.rows.size(); ++row) {
    const Scenario& scenario = table.rows[row].scenario;
    out << "| " << scenario.id << " | " << markdown_text(scenario.recipe) << " |";
    for (size_t policy = 0; policy < table.policies.size(); ++policy) {
      out << " " << markdown_cell(measured_text(table, row, policy));
      if (!table.as_expected(row, policy))
        out << " (expected " << cell_text(expected(table, row, policy)) << ")";
      out << " |";
    }
    if (table.native) {
      const Outcome* native = native_outcome(table, table.rows[row]);
      out << " " << (native == nullptr ? "-" : markdown_cell(cell_text(*native))) << " |";
    }
    out << "\n";
  }
  out << "\n";
  explain_words(out, table, "* `{}`: {}\n");
  if (table.native) explain_native_skips(out, table, "\nSkipped on Linux:\n\n", "* ");
}

void print_json(std::ostream& out, const Table& table) {
  Json json{{"policies", table.policies}, {"cells", Json::array()}, {"differences", table.differences()}};
  for (size_t row = 0; row < table.rows.size(); ++row)
    for (size_t policy = 0; policy < table.policies.size(); ++policy)
      json["cells"].push_back(json_of(table, row, policy));
  if (table.native) {
    json["linux"] = {{"kernel", table.native->kernel}, {"outcomes", Json::object()}};
    for (const Row& row : table.rows)
      if (const Outcome* native = native_outcome(table, row))
        json["linux"]["outcomes"][row.scenario.id] = json_of(*native);
  }
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace mmuscope::matrix
