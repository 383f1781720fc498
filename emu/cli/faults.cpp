// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope faults: every page fault of a run, with its reason and what the kernel decided.
#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/option_values.h"
#include "cli/trace_input.h"

namespace mmuscope::cli {
namespace {

struct FaultOptions {
  TraceInput input;
  std::vector<uint32_t> pids;
  std::vector<std::string> outcomes;
  std::string addresses;
};

Expected<trace::FaultFilter> make_filter(const FaultOptions& options) {
  trace::FaultFilter filter;
  filter.pids.insert(options.pids.begin(), options.pids.end());
  for (const std::string& name : options.outcomes) {
    std::string known;
    bool found = name == "none";
    if (found) filter.outcomes.insert(0);
    for (uint64_t i = 1; !found; ++i) {
      const std::string candidate = fault_outcome_name(static_cast<trace_abi::FaultOutcome>(i));
      if (candidate == "unknown") break;
      known += candidate + ", ";
      found = candidate == name;
      if (found) filter.outcomes.insert(i);
    }
    if (!found)
      return fail(ErrorKind::kUsage,
                  fmt::format("--outcome {}: there is no such outcome; there are {}none", name, known));
  }
  const auto range = parse_address_range(options.addresses);
  if (!range) return std::unexpected(range.error());
  filter.first_address = range->first;
  filter.last_address = range->last;
  return filter;
}

Expected<void> faults(const FaultOptions& options) {
  const auto filter = make_filter(options);
  if (!filter) return std::unexpected(filter.error());
  auto reader = options.input.open();
  if (!reader) return std::unexpected(reader.error());
  trace::Symbolizer symbolizer(reader->images());
  trace::FaultPrinter printer(std::cout, options.input.format());
  trace::FaultRows rows(&symbolizer, [&](const trace::FaultRow& row) {
    if (filter->accepts(row)) printer.print(row);
  });
  printer.header();
  auto done = for_each_event(*reader, symbolizer, [&](const trace::Event& event) {
    rows.put(event);
    return true;
  });
  rows.finish();
  return done;
}

}  // namespace

void add_faults(CLI::App& app, int* status) {
  auto options = std::make_shared<FaultOptions>();
  CLI::App* command = app.add_subcommand("faults", "List the page faults of a trace");
  options->input.add_to(*command, "jsonl");
  command->add_option("--pid", options->pids, "Only faults of these processes (0: boot and idle)")
      ->type_name("N")
      ->transform(whole_number(0, std::numeric_limits<uint32_t>::max()))
      ->allow_extra_args(false);
  command
      ->add_option("--outcome", options->outcomes,
                   "Only faults that ended so: zero-page, copy, sigsegv, ..., none (the trace does not tell)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      ->add_option("--address", options->addresses,
                   "Only faults there: a page's ADDRESS, FROM-TO or FROM+BYTES")
      ->type_name("RANGE")
      ->check(not_empty());
  command->footer(
      "Bits of an entry in the table: P present, W writable, U user, A accessed, D dirty, G global, x "
      "execute-disable,\n"
      "c t cache, and software's: Z SPECIAL, F UFFD_WP, s SOFT_DIRTY, E EXCL, p PIN, w PIN_WRITE; N "
      "PROT_NONE, the\n"
      "page of an area without rights (the bit of G in an entry that is not present); - empty.\n"
      "`entry` is the entry that refused, `now` the same one when the access went through; `instr` what the "
      "handler ran.");
  command->callback([options, status] {
    if (auto done = faults(*options); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
