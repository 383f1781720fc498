// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope run: boots the kernel with a program as its first, with the terminal as its console, and ends with
// its status.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <limits>
#include <memory>

#include "abi/trace_port.h"
#include "cli/boot_options.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/kernel_log.h"
#include "cli/option_values.h"
#include "debug/elf_file.h"
#include "devices/host_console.h"
#include "machine/machine.h"
#include "trace/event_tap.h"
#include "trace/printers.h"
#include "trace/recorder.h"
#include "trace/stats.h"

namespace mmuscope::cli {
namespace {

// Between two looks at whether somebody wants to leave.
constexpr uint64_t kSlice = 10'000'000;

struct RunOptions {
  BootOptions boot;
  MachineConfig machine;
  std::string kernel;
  std::string trace;
  uint64_t max_instructions = std::numeric_limits<uint64_t>::max();
  bool stats = false;
  std::string stats_format = "table";
  bool verbose = false;
};

std::atomic<int> interrupted;  // the signal that came

void on_signal(int number) {
  if (interrupted.exchange(number) != 0) ::_exit(128 + number);  // the second time, at once
}

void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;  // without SA_RESTART: a read of the console comes back
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

struct Outcome {
  RunResult result;
  bool limit_reached = false;
};

Outcome run_machine(Machine& machine, const RunOptions& options, trace::Recorder* recorder,
                    FdConsoleSink& console) {
  while (true) {
    const uint64_t now = machine.icount();
    const uint64_t limit = options.max_instructions - now > kSlice ? now + kSlice : options.max_instructions;
    const RunResult result = machine.run(limit);
    if (recorder != nullptr) recorder->advance(machine.icount());
    console.flush();
    if (result.reason != EndReason::kRunning) return {result};
    if (machine.icount() >= options.max_instructions) return {result, true};
    if (interrupted != 0 || console.error() != 0) return {result};
  }
}

// Says how it ended, where that is not plain from the program's own output.
int exit_status(const Outcome& outcome, Machine& machine) {
  const RunResult& result = outcome.result;
  switch (result.reason) {
    case EndReason::kExit:
      if ((result.exit_value & trace_abi::kExitPanic) == 0) {
        // A guest that waited for input saw its end when the signal came, and went home.
        if (interrupted == 0) return static_cast<int>(result.exit_value & 0xff);
        spdlog::error("interrupted after {} instructions", machine.icount());
        return 128 + interrupted;
      }
      spdlog::error("the guest's kernel panicked after {} instructions: its report is on the console",
                    machine.icount());
      return kStatusFailed;
    case EndReason::kRunning:
      if (outcome.limit_reached) {
        spdlog::error("stopped at --max-instructions {}\n{}", machine.icount(), machine.describe());
        return kStatusLimit;
      }
      if (interrupted == 0) return 0;  // the console failed, which the caller reports
      spdlog::error("interrupted after {} instructions\n{}", machine.icount(), machine.describe());
      return 128 + interrupted;
    case EndReason::kTripleFault:
    case EndReason::kDeadlock:
    case EndReason::kInternal:
      spdlog::error("the machine stopped after {} instructions\n{}", machine.icount(), result.report);
      return kStatusFailed;
  }
  return kStatusFailed;
}

Expected<std::string> kernel_path(const std::string& named) {
  if (!named.empty()) return named;
  const auto found = find_kernel();
  if (!found) return std::unexpected(found.error());
  return found->string();
}

Expected<int> run(RunOptions& options, const CLI::App& command) {
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  const auto files = make_guest_files(options.boot, *words);
  if (!files) return std::unexpected(files.error());
  const auto kernel_file = kernel_path(options.kernel);
  if (!kernel_file) return std::unexpected(kernel_file.error());
  const auto kernel = read_file(*kernel_file);
  if (!kernel) return std::unexpected(kernel.error());

  options.machine.count_watched_ranges = options.stats;
  FdConsoleSink console(STDOUT_FILENO);
  FdConsoleSource input(STDIN_FILENO);
  const BootImage image{
      .kernel = *kernel, .command_line = files->command_line, .initramfs = files->initramfs.pack()};
  const auto machine = Machine::create(options.machine, image, console, input, log_kernel_line);
  if (!machine) {
    // Of what the machine is given, only the kernel can be bad data.
    if (machine.error().kind != ErrorKind::kData) return std::unexpected(machine.error());
    return fail(ErrorKind::kData, *kernel_file + ": " + machine.error().message);
  }

  trace::EventTap tap;
  trace::Stats stats;
  std::unique_ptr<trace::Recorder> recorder;
  if (!options.trace.empty()) {
    const auto program_symbols = [&files](const std::string& path) {
      const std::vector<uint8_t>* bytes = files->initramfs.find(path);
      return bytes != nullptr ? read_symbols(*bytes) : trace::SymbolTable();
    };
    auto made = trace::Recorder::create(options.trace,
                                        {.machine = options.machine, .command_line = files->command_line},
                                        read_symbols(*kernel), program_symbols);
    if (!made) return std::unexpected(made.error());
    recorder = std::move(*made);
    tap.add(*recorder);
  }
  if (options.stats) tap.add(stats);
  if (!tap.empty()) (*machine)->add_observer(tap);

  catch_signals();
  const Outcome outcome = run_machine(**machine, options, recorder.get(), console);
  int status = exit_status(outcome, **machine);
  spdlog::info("{} instructions", (*machine)->icount());
  tap.finish();
  stats.ended_at((*machine)->icount());
  if (recorder != nullptr) {
    const trace::RunEnd end{outcome.result.reason, outcome.result.exit_value, (*machine)->icount()};
    if (auto closed = recorder->close(end); !closed) status = report(closed.error());
  }
  if (console.error() != 0)
    status = report({ErrorKind::kHost, fmt::format("standard output: {}", std::strerror(console.error()))});
  if (options.stats) {
    const auto format = options.stats_format == "json" ? trace::Format::kJson : trace::Format::kTable;
    trace::print_stats(std::cerr, format, stats, true);
  }
  return status;
}

}  // namespace

void add_run(CLI::App& app, int* status) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand(
      "run", "Run a static Linux program on minikernel: mmuscope run [OPTIONS] PROGRAM [ARGUMENT...]");
  command->add_option("--cpus", options->machine.cpus, "Processors [1]")
      ->type_name("N")
      ->transform(whole_number(1, 8));
  command->add_option("--memory", options->machine.memory_bytes, "RAM, with K, M or G [256M]")
      ->type_name("SIZE")
      ->transform(memory_size());
  command->add_flag("--la57", options->machine.la57, "Offer five-level paging, which minikernel then uses");
  command
      ->add_option("--quantum", options->machine.quantum,
                   "Instructions a processor runs before the next one's turn [10000]")
      ->type_name("N")
      ->transform(whole_number(1, uint64_t{1} << 32));
  command->add_option("--kernel", options->kernel, "Another kernel: ELF64 with a PVH note")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--trace", options->trace, "Record every fault, TLB event and tracepoint")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--max-instructions", options->max_instructions, "Stop with status 124 after so many")
      ->type_name("N")
      ->transform(whole_number(1));
  command->add_flag("--stats", options->stats,
                    "Count accesses to the kernel's frame table, and show sums at the end");
  command->add_option("--stats-format", options->stats_format, "table or json [table]")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_flag("-v,--verbose", options->verbose, "Show the kernel's log on standard error");
  options->boot.add_to(*command);
  command->callback([options, command, status] {
    if (options->verbose) spdlog::set_level(spdlog::level::info);
    const auto done = run(*options, *command);
    *status = done ? *done : report(done.error());
  });
}

}  // namespace mmuscope::cli
