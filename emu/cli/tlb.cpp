// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope tlb: what entered the TLBs, what left them, and why.
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

Expected<void> tlb(const TraceInput& input) {
  auto reader = input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  trace::TlbPrinter printer(std::cout, input.format(), symbolizer);
  printer.header();
  return for_each_event(*reader, symbolizer, [&](const trace::Event& event) {
    printer.print(event);
    return true;
  });
}

}  // namespace

void add_tlb(CLI::App& app, int* status) {
  auto input = std::make_shared<TraceInput>();
  CLI::App* command =
      app.add_subcommand("tlb", "List the TLB inserts, removals and flushes of a trace, with their cause");
  input->add_to(*command, "jsonl");
  command->footer(
      "Causes: of an insert the access that missed; of a removal or flush invlpg, mov-cr3, cr0, cr4, efer, "
      "invpcid-...,\n"
      "dirty-upgrade (a write through an entry with D clear) or page-fault (a denied hit, dropped, the "
      "tables "
      "walked).\n"
      "Rights: u user or k kernel only, r w x, D dirty, G global.");
  command->callback([input, status] {
    if (auto done = tlb(*input); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
