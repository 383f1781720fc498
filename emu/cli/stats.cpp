// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope stats: sums over a run, by fault outcome and by system call.
#include "trace/stats.h"

#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

Expected<void> stats(const TraceInput& input) {
  auto reader = input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  trace::Stats sums;
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
  auto input = std::make_shared<TraceInput>();
  CLI::App* command = app.add_subcommand("stats", "Sum up a trace by fault outcome and by system call");
  input->add_to(*command, "json");
  command->footer(
      "Costs are inclusive: a system call contains the faults taken inside it. `lines` are distinct 64-byte "
      "lines of the\n"
      "kernel's frame table, counted within each fault or call and then added up; `run --stats` makes the "
      "machine count.");
  command->callback([input, status] {
    if (auto done = stats(*input); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
