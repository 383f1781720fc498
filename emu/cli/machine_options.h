// SPDX-License-Identifier: GPL-2.0-or-later
//
// The options that say what machine it is and which kernel it boots: for run, gdb and debug.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "machine/machine.h"

namespace mmuscope::cli {

struct MachineOptions {
  MachineConfig machine;  // --cpus, --memory, --la57, --quantum
  std::string kernel;     // --kernel; empty: the one that belongs to this program

  void add_to(CLI::App& command);
};

struct KernelFile {
  std::string path;
  std::vector<uint8_t> bytes;
};
Expected<KernelFile> read_kernel(const MachineOptions& options);

// Machine::create; what is wrong with a kernel is told with its name.
Expected<std::unique_ptr<Machine>> make_machine(const MachineOptions& options, const KernelFile& kernel,
                                                const BootImage& image, ConsoleSink& sink,
                                                ConsoleSource& source, DebugConsole::LineSink kernel_log);

}  // namespace mmuscope::cli
