// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the lines of the kernel's own log go.
#pragma once

#include <string>

namespace mmuscope::cli {

// To this program's log: what a program misses as a warning, everything else as information.
void log_kernel_line(const std::string& line);

}  // namespace mmuscope::cli
