// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope walk: the page walk behind one event, level by level.
#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/option_values.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

struct WalkOptions {
  TraceInput input;
  uint64_t seq = 0;
};

Expected<void> walk(const WalkOptions& options) {
  auto reader = options.input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  Expected<void> shown;
  bool found = false;
  uint64_t last = 0;
  auto done = for_each_event(*reader, symbolizer, [&](const trace::Event& event) {
    last = event.seq;
    found = event.seq == options.seq;
    if (found) shown = trace::print_walk(std::cout, options.input.format(), event, symbolizer);
    return !found;
  });
  if (!done) return done;
  if (!found)
    return fail(ErrorKind::kUsage, last == 0
                                       ? fmt::format("{}: the trace has no events", options.input.path)
                                       : fmt::format("{}: there is no event {}: the trace has events 1 to {}",
                                                     options.input.path, options.seq, last));
  return shown;
}

}  // namespace

void add_walk(CLI::App& app, int* status) {
  auto options = std::make_shared<WalkOptions>();
  CLI::App* command = app.add_subcommand("walk", "Show the page walk behind a page fault or a TLB insert");
  options->input.add_to(*command, "json");
  command->add_option("SEQ", options->seq, "The event's number, as `faults` and `tlb` show it")
      ->required()
      ->transform(whole_number(1));
  command->callback([options, status] {
    if (auto done = walk(*options); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
