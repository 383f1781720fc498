// SPDX-License-Identifier: GPL-2.0-or-later
//
// The subcommands: each adds itself to the application, and when it is the one that was called sets *status
// to what the program exits with. Statuses: 0; the guest's own (run); 2 for what cannot be done as asked, 65
// for bad data, 70 when the guest's kernel or the emulator failed, 71 when the host did, 124 at
// --max-instructions, 128 and the signal that interrupted.
#pragma once

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace mmuscope::cli {

inline constexpr int kStatusFailed = 70;
inline constexpr int kStatusLimit = 124;

void add_run(CLI::App& app, int* status);
void add_gdb(CLI::App& app, int* status);
void add_debug(CLI::App& app, int* status);
void add_matrix(CLI::App& app, int* status);
void add_pack(CLI::App& app, int* status);
void add_faults(CLI::App& app, int* status);
void add_tlb(CLI::App& app, int* status);
void add_walk(CLI::App& app, int* status);
void add_stats(CLI::App& app, int* status);

// Logs the error; its exit status.
int report(const Error& error);

}  // namespace mmuscope::cli
