// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the subcommands that read a trace share: the file, the output format, reading it to its end.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/error.h"
#include "trace/printers.h"
#include "trace/reader.h"

namespace mmuscope::cli {

struct TraceInput {
  std::string path;  // "-": standard input
  std::string format_name = "table";

  // `json_name`: "jsonl" where the output is rows, "json" where it is one object.
  void add_to(CLI::App& command, const std::string& json_name);
  trace::Format format() const {
    return format_name == "table" ? trace::Format::kTable : trace::Format::kJson;
  }
  Expected<trace::Reader> open() const;
};

// Shows every event to `symbolizer` and then to `visit`, until that returns false. A trace that just stops is
// warned about, not an error.
Expected<void> for_each_event(trace::Reader& reader, trace::Symbolizer& symbolizer,
                              const std::function<bool(const trace::Event&)>& visit);

}  // namespace mmuscope::cli
