// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope tlb: what entered the TLBs, what left them, and why.
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/option_values.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

struct TlbOptions {
  TraceInput input;
  std::vector<uint32_t> pids;
  std::string addresses;
};

Expected<void> tlb(const TlbOptions& options) {
  const auto range = parse_address_range(options.addresses);
  if (!range) return std::unexpected(range.error());
  const trace::TlbFilter filter{.pids = {options.pids.begin(), options.pids.end()},
                                .first_address = range->first,
                                .last_address = range->last};
  auto reader = options.input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  trace::TlbPrinter printer(std::cout, options.input.format(), symbolizer);
  printer.header();
  return for_each_event(*reader, symbolizer, [&](const trace::Event& event) {
    if (filter.accepts(event)) printer.print(event);
    return true;
  });
}

}  // namespace

void add_tlb(CLI::App& app, int* status) {
  auto options = std::make_shared<TlbOptions>();
  CLI::App* command =
      app.add_subcommand("tlb", "List the TLB inserts, removals and flushes of a trace, with their cause");
  options->input.add_to(*command, "jsonl");
  command->add_option("--pid", options->pids, "Only events of these processes (0: boot and idle)")
      ->type_name("N")
      ->transform(whole_number(0, std::numeric_limits<uint32_t>::max()))
      ->allow_extra_args(false);
  command
      ->add_option("--address", options->addresses,
                   "Only pages there: a page's ADDRESS, FROM-TO or FROM+BYTES")
      ->type_name("RANGE")
      ->check(not_empty());
  command->footer(
      "Causes: of an insert the access that missed; of a removal or flush invlpg, mov-cr3, cr0, cr4, efer, "
      "invpcid-...,\n"
      "dirty-upgrade (a write through an entry with D clear) or page-fault (a denied hit, dropped, the "
      "tables "
      "walked).\n"
      "Rights: u user or k kernel only, r w x, D dirty, G global.");
  command->callback([options, status] {
    if (auto done = tlb(*options); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
