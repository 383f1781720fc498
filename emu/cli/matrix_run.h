// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs scenario programs, each in a machine of its own, several at once: each machine in a process of its
// own, so that what happens in one cannot matter to another. A machine is a function of its configuration, so
// the results do not depend on how many run at once.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/machine_options.h"
#include "matrix/table.h"

namespace mmuscope::cli {

struct MatrixRun {
  std::string program;  // a file of the host
  std::string policy;
  unsigned cpus = 1;
};

struct MatrixMachine {
  MachineOptions options;
  KernelFile kernel;
  std::string append;  // words for the kernel
};

// In this process.
matrix::Cell run_scenario(const MatrixMachine& machine, const MatrixRun& run);

// Whether there is such a machine, as far as that can be told without running it. kUsage, kData, kHost.
Expected<void> check_machine(const MatrixMachine& machine, const MatrixRun& run);

// In processes. `begins` is called in this one before each; `stop` is looked at all the time, not 0: enough.
// kUsage when the kernel refuses an option, kHost, kInterrupted.
Expected<std::vector<matrix::Cell>> run_scenarios(const MatrixMachine& machine,
                                                  const std::vector<MatrixRun>& runs, unsigned at_once,
                                                  const std::function<void(size_t index)>& begins,
                                                  const std::atomic<int>& stop);

}  // namespace mmuscope::cli
