// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/task_report.h"

#include "debug/inspection_commands.h"
#include "debug/inspection_text.h"
#include "debug/machine_target.h"

namespace mmuscope::cli {

std::string task_report(Machine& machine, std::span<const uint8_t> kernel) {
  debug::MachineTarget target(machine);
  const debug::Inspection inspection(target, kernel);
  const auto tasks = inspection.kernel().tasks();
  return tasks ? debug::print_tasks(*tasks).text : "";
}

}  // namespace mmuscope::cli
