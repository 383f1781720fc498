// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether a file may become a trace: not one that the same run reads or prints to. That it holds nothing else
// of value is the recorder's business (trace/recorder.h).
#pragma once

#include <string>

#include "base/error.h"

namespace mmuscope::cli {

// kUsage when `trace` is "-" or the same file, by whatever name, as `program`, `kernel`, a file in the folder
// `root` (empty: none), or standard input, output or error. A trace that does not exist yet is none of them.
Expected<void> check_trace_output(const std::string& trace, const std::string& program,
                                  const std::string& kernel, const std::string& root);

}  // namespace mmuscope::cli
