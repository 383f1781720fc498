// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/kernel_log.h"

#include <spdlog/spdlog.h>

namespace mmuscope::cli {

void log_kernel_line(const std::string& line) {
  // What a program misses concerns its user; everything else the curious.
  if (line.find("unimplemented system call") != std::string::npos)
    spdlog::warn("{}", line);
  else
    spdlog::info("{}", line);
}

}  // namespace mmuscope::cli
