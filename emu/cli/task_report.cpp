// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/task_report.h"

#include <fmt/format.h>

#include "debug/inspection_commands.h"
#include "debug/inspection_text.h"
#include "debug/machine_target.h"
#include "trace/system_call_names.h"

namespace mmuscope::cli {

namespace {

constexpr size_t kMostSleepers = 64;

std::string sleeper_line(const debug::TaskView& task, const debug::ProgramPlace& place,
                         const PlaceName& name) {
  const std::string what = place.system_call ? trace::system_call_name(*place.system_call) : "no system call";
  const std::string symbol = name(static_cast<uint32_t>(task.pid), place.rip);
  return fmt::format("  pid {} {}: {} in {}, at 0x{:x}{}\n", task.pid, task.name,
                     debug::task_state_name(task.state), what, place.rip,
                     symbol.empty() ? "" : " (" + symbol + ")");
}

}  // namespace

std::string task_report(Machine& machine, std::span<const uint8_t> kernel, const PlaceName& name) {
  debug::MachineTarget target(machine);
  const debug::Inspection inspection(target, kernel);
  const auto list = inspection.kernel().tasks();
  if (!list) return "";
  std::string text = debug::print_tasks(*list).text;
  size_t told = 0;
  for (const debug::TaskView& task : list->tasks) {
    const bool sleeps = task.state == debug::TaskState::kSleeping || task.state == debug::TaskState::kStopped;
    if (!sleeps || told == kMostSleepers) continue;
    const auto place = inspection.kernel().place(task);
    if (!place) continue;
    text += sleeper_line(task, *place, name);
    ++told;
  }
  return text;
}

}  // namespace mmuscope::cli
