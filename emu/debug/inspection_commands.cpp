// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/inspection_commands.h"

#include <fmt/format.h>

#include <limits>

#include "debug/elf_file.h"
#include "debug/inspection_text.h"
#include "trace/json_text.h"

namespace mmuscope::debug {
namespace {

std::string choose(const Arguments& arguments, Printed printed) {
  return arguments.json ? std::move(printed.json) : std::move(printed.text);
}

Expected<std::string> walk(const Inspection& here, const Arguments& arguments) {
  if (arguments.words.size() != 1) return bad_arguments();
  const auto address = here.address(arguments.words[0]);
  if (!address) return std::unexpected(address.error());
  const WalkReport report = here.inspector().walk(here.inspector().context(here.cpu()), *address);
  return choose(arguments, print_walk(report, here.symbols().describe(*address)));
}

Expected<std::string> tables(const Inspection& here, const Arguments& arguments) {
  constexpr uint64_t kMiddle = uint64_t{1} << 63;  // in the hole between the halves
  const auto& words = arguments.words;
  uint64_t first = 0, last = ~uint64_t{0};
  if (words.size() == 1 && words[0] == "user") {
    last = kMiddle - 1;
  } else if (words.size() == 1 && words[0] == "kernel") {
    first = kMiddle;
  } else if (words.size() == 1 || words.size() == 2) {
    const auto from = here.address(words.front()), to = here.address(words.back());
    if (!from) return std::unexpected(from.error());
    if (!to) return std::unexpected(to.error());
    if (*to < *from) return fail(ErrorKind::kUsage, "the range ends before it begins");
    first = *from;
    last = *to;
  } else if (!words.empty()) {
    return bad_arguments();
  }
  const auto context = here.inspector().context(here.cpu());
  return choose(arguments, print_tables(here.inspector().ranges(context, first, last)));
}

Expected<std::string> areas(const Inspection& here, const Arguments& arguments) {
  if (arguments.words.size() > 1) return bad_arguments();
  std::optional<TaskView> task;
  if (arguments.words.empty()) {
    const auto current = here.kernel().current_task(here.cpu());
    if (!current) return std::unexpected(current.error());
    if (!*current) return fail(ErrorKind::kUsage, fmt::format("CPU {} runs no task", here.cpu()));
    task = *current;
  } else {
    const auto pid = parse_number(arguments.words[0]);
    if (!pid || *pid > std::numeric_limits<int32_t>::max()) return bad_arguments();
    const auto found = here.kernel().task(static_cast<int32_t>(*pid));
    if (!found) return std::unexpected(found.error());
    task = *found;
  }
  const auto space = here.kernel().space(*task);
  if (!space) return std::unexpected(space.error());
  return choose(arguments, print_areas(*task, *space));
}

Expected<std::string> tasks(const Inspection& here, const Arguments& arguments) {
  if (!arguments.words.empty()) return bad_arguments();
  const auto all = here.kernel().tasks();
  if (!all) return std::unexpected(all.error());
  return choose(arguments, print_tasks(*all));
}

Expected<std::string> frame(const Inspection& here, const Arguments& arguments) {
  if (arguments.words.size() != 1) return bad_arguments();
  const auto pfn = parse_number(arguments.words[0]);
  constexpr uint64_t kMostFrames = uint64_t{1} << 40;  // of 52 address bits
  if (!pfn || *pfn >= kMostFrames) return bad_arguments();
  const auto view = here.kernel().frame(*pfn);
  if (!view) return std::unexpected(view.error());
  return choose(arguments, print_frame(*view));
}

// Without an address: that of the last page fault.
Expected<std::string> why(const Inspection& here, const Arguments& arguments) {
  if (arguments.words.size() > 1) return bad_arguments();
  const auto address = here.address(arguments.words.empty() ? "$cr2" : arguments.words[0]);
  if (!address) return std::unexpected(address.error());
  const auto explanation = explain(here.kernel(), here.inspector(), here.cpu(), *address);
  if (!explanation) return std::unexpected(explanation.error());
  return choose(arguments, print_explanation(*explanation));
}

Expected<std::string> when(const Inspection& here, const Arguments& arguments) {
  if (!arguments.words.empty()) return bad_arguments();
  const unsigned cpu = here.cpu();
  const x86::CpuState state = here.target().state(cpu);
  const std::string symbol = here.symbols().describe(state.rip);
  std::optional<TaskView> task;
  if (const auto current = here.kernel().current_task(cpu)) task = *current;
  if (arguments.json) {
    trace::Json json = {{"icount", here.target().icount()},
                        {"cpu", cpu},
                        {"cpl", state.cpl},
                        {"rip", trace::hex(state.rip)},
                        {"symbol", symbol}};
    json["pid"] = task ? trace::Json(task->pid) : trace::Json(nullptr);
    return trace::to_line(json);
  }
  const std::string program = task ? fmt::format(", task {} {}", task->pid, task->name) : "";
  return wrap(fmt::format("instruction {}: CPU {}, CPL {}{}, rip 0x{:016x} {}", here.target().icount(), cpu,
                          state.cpl, program, state.rip, symbol),
              2);
}

}  // namespace

Inspection::Inspection(Target& target, std::span<const uint8_t> kernel_elf, const x86::CpuFeatures& features)
    : target_(target),
      types_(KernelTypes::read(kernel_elf)),
      inspector_(target, features),
      kernel_(target, types_, inspector_) {
  symbols_.add(read_symbols(kernel_elf));
}

void add_inspection(Commands& commands, Inspection& inspection) {
  using Handler = Expected<std::string> (*)(const Inspection&, const Arguments&);
  const auto add = [&](const char* name, const char* arguments, const char* help, Handler handler) {
    commands.add({name, arguments, help,
                  [&inspection, handler](const Arguments& given) { return handler(inspection, given); }});
  };
  add("walk", "ADDRESS", "the page-table entries of an address, and what each kind of access may do", walk);
  add("pt", "[FIRST [LAST] | user | kernel]", "what the page tables map, as ranges", tables);
  add("why", "[ADDRESS]",
      "what a program's access would do now, and why [the address of the last page fault]", why);
  add("vma", "[PID]", "the areas of the task that runs here, or of another", areas);
  add("ps", "", "all tasks, with parent process, state, and the CPU that runs each or ran it last", tasks);
  add("frame", "PFN", "a physical frame: its count, its descriptor, and which entries map it", frame);
  add("when", "", "where the machine stands", when);
}

}  // namespace mmuscope::debug
