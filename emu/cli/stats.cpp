// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope stats: sums over a run, by fault outcome, by system call and by task.
#include "trace/stats.h"

#include <iostream>
#include <limits>
#include <memory>

#include "cli/commands.h"
#include "cli/option_values.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

struct StatsOptions {
  TraceInput input;
  std::vector<uint32_t> pids;
};

Expected<void> stats(const StatsOptions& options) {
  const TraceInput& input = options.input;
  auto reader = input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  trace::Stats sums({options.pids.begin(), options.pids.end()});
  auto done = for_each_event(*reader, symbolizer, [&](const trace::Event& event) {
    sums.put(event);
    return true;
  });
  sums.finish();
  if (reader->end()) sums.ended_at(reader->end()->icount);
  if (done) trace::print_stats(std::cout, input.format(), sums, reader->info().machine.count_watched_ranges);
  return done;
}

}  // namespace

void add_stats(CLI::App& app, int* status) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App* command =
      app.add_subcommand("stats", "Sum up a trace by fault outcome, by system call and by task");
  options->input.add_to(*command, "json");
  command
      ->add_option("--pid", options->pids,
                   "Only faults, system calls and tasks of these PIDs (0: boot and idle)")
      ->type_name("N")
      ->transform(whole_number(0, std::numeric_limits<uint32_t>::max()))
      ->allow_extra_args(false);
  command->footer(
      "Costs are inclusive: a system call contains the faults taken inside it. `lines` are distinct 64-byte "
      "lines of the\n"
      "kernel's frame table, counted within each fault or call and then added up; `run --stats` makes the "
      "machine count.\n"
      "`kernel counters` are the kernel's own, as in its /proc/vmstat, when the last program has ended.");
  command->callback([options, status] {
    if (auto done = stats(*options); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
