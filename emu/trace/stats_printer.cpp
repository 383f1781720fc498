// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sums as a table and as JSON (printers.h).
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "trace/printer_text.h"
#include "trace/printers.h"
#include "trace/system_call_names.h"

namespace mmuscope::trace {
namespace {

constexpr size_t kNameWidth = 18, kCountsWidth = 22;

Json counts_json(const std::vector<WatchCounts>& watched, const std::vector<std::string>& ranges) {
  Json json = Json::object();
  for (size_t i = 0; i < ranges.size(); ++i) {
    const WatchCounts counts = i < watched.size() ? watched[i] : WatchCounts{};
    json[ranges[i]] = {{"reads", counts.reads}, {"writes", counts.writes}, {"lines", counts.lines}};
  }
  return json;
}

Json tally_json(const Tally& tally, const std::vector<std::string>& ranges, bool counted) {
  Json json;
  json["count"] = tally.count;
  json["measured"] = tally.measured;
  json["instructions"] = tally.work.instructions;
  json["tlb_inserts"] = tally.work.tlb_inserts;
  json["tlb_removals"] = tally.work.tlb_removals;
  json["tlb_flushes"] = tally.work.tlb_flushes;
  if (!counted) return json;
  json["accesses"] = counts_json(tally.watched, ranges);
  for (size_t i = 0; i < ranges.size(); ++i)
    json["accesses"][ranges[i]]["most"] = i < tally.most.size() ? tally.most[i] : 0;
  return json;
}

// A mapping that keeps what the kernel counted in the kernel's order.
Json counters_json(const Stats& stats) {
  if (stats.kernel_counters().empty()) return nullptr;
  Json json = Json::object();
  for (const auto& [name, value] : stats.kernel_counters()) json[name] = value;
  return json;
}

std::string task_name(uint32_t pid, const TaskSum& sum) {
  if (pid == 0) return "boot and idle";
  return sum.program.empty() ? "?" : sum.program;
}

Json tasks_json(const Stats& stats) {
  Json json = Json::object();
  for (const auto& [pid, sum] : stats.tasks())
    json[fmt::to_string(pid)] = {{"program", sum.program},
                                 {"instructions", sum.work.instructions},
                                 {"tlb_inserts", sum.work.tlb_inserts},
                                 {"tlb_removals", sum.work.tlb_removals},
                                 {"tlb_flushes", sum.work.tlb_flushes},
                                 {"faults", sum.faults},
                                 {"system_calls", sum.system_calls}};
  return json;
}

// Those that did most, when there are many.
void task_rows(std::ostream& out, const Stats& stats) {
  constexpr size_t kMostRows = 24;
  using Row = std::pair<uint32_t, const TaskSum*>;
  std::vector<Row> rows;
  for (const auto& [pid, sum] : stats.tasks()) rows.emplace_back(pid, &sum);
  const size_t left_out = rows.size() > kMostRows ? rows.size() - kMostRows : 0;
  if (left_out != 0) {
    std::ranges::sort(rows, std::greater(),
                      [](const Row& row) { return std::pair(row.second->work.instructions, row.first); });
    rows.resize(kMostRows);
    std::ranges::sort(rows);
  }
  row(out, fmt::format("{:>5} {:>8} {:>7} {:>12} {:>7} {:>7} {:>7}  {}", "pid", "faults", "calls", "instr",
                       "tlb+", "tlb-", "flush", "task"));
  for (const auto& [pid, sum] : rows)
    row(out, fmt::format("{:>5} {:>8} {:>7} {:>12} {:>7} {:>7} {:>7}  {}", pid, sum->faults,
                         sum->system_calls, sum->work.instructions, sum->work.tlb_inserts,
                         sum->work.tlb_removals, sum->work.tlb_flushes, task_name(pid, *sum)));
  if (left_out != 0) row(out, fmt::format("and {} more, which did less", left_out));
}

void tally_header(std::ostream& out, const char* what, const Stats& stats, bool counted) {
  std::string text = fmt::format("{:<{}} {:>7} {:>10} {:>7} {:>7} {:>7} {:>7}", what, kNameWidth, "count",
                                 "instr", "each", "tlb+", "tlb-", "flush");
  if (counted)
    for (const std::string& range : stats.ranges())
      text += fmt::format("  {:>{}}", cut(range, 12) + " r/w/lines", kCountsWidth);
  row(out, text);
}

void tally_row(std::ostream& out, const std::string& name, const Tally& tally, const Stats& stats,
               bool counted) {
  const uint64_t each = tally.measured != 0 ? tally.work.instructions / tally.measured : 0;
  std::string text = fmt::format("{:<{}} {:>7} {:>10} {:>7} {:>7} {:>7} {:>7}", cut(name, kNameWidth),
                                 kNameWidth, tally.count, tally.work.instructions, each,
                                 tally.work.tlb_inserts, tally.work.tlb_removals, tally.work.tlb_flushes);
  if (counted) {
    for (size_t i = 0; i < stats.ranges().size(); ++i) {
      const WatchCounts counts = i < tally.watched.size() ? tally.watched[i] : WatchCounts{};
      text += fmt::format("  {:>{}}", fmt::format("{}/{}/{}", counts.reads, counts.writes, counts.lines),
                          kCountsWidth);
    }
  }
  row(out, text);
}

void counter_rows(std::ostream& out, const Stats& stats) {
  constexpr size_t kColumns = 3;
  std::vector<std::string> cells;
  for (const auto& [name, value] : stats.kernel_counters())
    if (value != 0) cells.push_back(fmt::format("{:<28} {:>9}", cut(name, 28), value));
  if (cells.empty()) return;
  out << "\nkernel counters\n";
  const size_t rows = (cells.size() + kColumns - 1) / kColumns;
  for (size_t at = 0; at < rows; ++at) {
    std::string text;
    for (size_t cell = at; cell < cells.size(); cell += rows)
      text += (text.empty() ? "" : "  ") + cells[cell];
    row(out, text);
  }
}

void totals_rows(std::ostream& out, const Stats& stats) {
  if (!stats.watched().empty()) out << "\n";
  for (size_t i = 0; i < stats.watched().size() && i < stats.ranges().size(); ++i) {
    const WatchCounts& counts = stats.watched()[i];
    row(out, fmt::format("{} in the whole run: {} reads, {} writes, {} lines", stats.ranges()[i],
                         counts.reads, counts.writes, counts.lines));
  }
}

std::string outcome_key(uint64_t outcome) {
  return outcome == 0 ? "none" : outcome_name(static_cast<trace_abi::FaultOutcome>(outcome));
}

}  // namespace

void print_stats(std::ostream& out, Format format, const Stats& stats, bool counted) {
  if (format == Format::kJson) {
    Json json;
    json["instructions"] = stats.total().instructions;
    json["events"] = stats.events();
    json["tlb_inserts"] = stats.total().tlb_inserts;
    json["tlb_removals"] = stats.total().tlb_removals;
    json["tlb_flushes"] = stats.total().tlb_flushes;
    json["accesses_counted"] = counted;
    json["faults"] = Json::object();
    for (const auto& [outcome, tally] : stats.faults())
      json["faults"][outcome_key(outcome)] = tally_json(tally, stats.ranges(), counted);
    json["system_calls"] = Json::object();
    for (const auto& [number, tally] : stats.system_calls())
      json["system_calls"][system_call_name(number)] = tally_json(tally, stats.ranges(), counted);
    json["tasks"] = tasks_json(stats);
    json["kernel_counters"] = counters_json(stats);
    if (counted)
      json["accesses_in_all"] =
          stats.watched().empty() ? Json(nullptr) : counts_json(stats.watched(), stats.ranges());
    return line(out, json);
  }
  row(out, fmt::format("{} instructions; {} TLB inserts, {} removals, {} flushes", stats.total().instructions,
                       stats.total().tlb_inserts, stats.total().tlb_removals, stats.total().tlb_flushes));
  out << "\n";
  tally_header(out, "page faults", stats, counted);
  for (const auto& [outcome, tally] : stats.faults())
    tally_row(out, outcome_key(outcome), tally, stats, counted);
  out << "\n";
  tally_header(out, "system calls", stats, counted);
  for (const auto& [number, tally] : stats.system_calls())
    tally_row(out, system_call_name(number), tally, stats, counted);
  out << "\n";
  task_rows(out, stats);
  counter_rows(out, stats);
  if (counted) totals_rows(out, stats);
  if (!counted) out << "\naccesses to the kernel's frame table were not counted: record with `run --stats`\n";
}

}  // namespace mmuscope::trace
