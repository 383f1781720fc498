// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/trace_input.h"

#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>

#include "cli/option_values.h"

namespace mmuscope::cli {

void TraceInput::add_to(CLI::App& command, const std::string& json_name) {
  command.add_option("TRACE", path, "A file that `run --trace` made; - reads standard input")->required();
  command.add_option("--format", format_name, "table or " + json_name + " [table]")
      ->type_name("FORMAT")
      ->check(table_or(json_name));
}

Expected<trace::Reader> TraceInput::open() const {
  if (path != "-") return trace::Reader::open(path);
  std::ios::sync_with_stdio(false);  // whole blocks instead of a byte at a time
  return trace::Reader::create(std::make_unique<std::istream>(std::cin.rdbuf()), "standard input");
}

Expected<void> for_each_event(trace::Reader& reader, trace::Symbolizer& symbolizer,
                              const std::function<bool(const trace::Event&)>& visit) {
  trace::Event event;
  while (true) {
    const auto more = reader.next(event);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    symbolizer.see(event);
    if (!visit(event)) return {};
  }
  if (!reader.warning().empty()) spdlog::warn("{}", reader.warning());
  return {};
}

}  // namespace mmuscope::cli
