// SPDX-License-Identifier: GPL-2.0-or-later
//
// SIGINT and SIGTERM, for commands that look now and then whether somebody wants to leave.
#pragma once

#include <atomic>

namespace mmuscope::cli {

extern std::atomic<int> interrupted;  // the signal that came; 0: none

// From now on they are noted, and a call that waits comes back (no SA_RESTART). A second one ends the process
// at once.
void catch_interrupts();

}  // namespace mmuscope::cli
