// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope run: boots the kernel with a program as its first, or goes on from a snapshot, with the terminal
// as the guest's console, and ends with the program's status.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <span>

#include "abi/trace_port.h"
#include "cli/boot_options.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/kernel_log.h"
#include "cli/machine_options.h"
#include "cli/option_values.h"
#include "cli/snapshots.h"
#include "cli/task_report.h"
#include "cli/trace_output.h"
#include "debug/elf_file.h"
#include "devices/host_console.h"
#include "machine/machine.h"
#include "trace/event_tap.h"
#include "trace/preface.h"
#include "trace/printers.h"
#include "trace/recorder.h"
#include "trace/stats.h"

namespace mmuscope::cli {
namespace {

// Between two looks at whether somebody wants to leave.
constexpr uint64_t kSlice = 10'000'000;

struct RunOptions {
  BootOptions boot;
  MachineOptions machine;
  std::string trace;
  uint64_t max_instructions = std::numeric_limits<uint64_t>::max();
  bool stats = false;
  std::string stats_format = "table";
  bool verbose = false;
  std::string from;
  SnapshotWriter::Requests snapshots;
};

// What is run: a program from its boot on, or what a snapshot holds.
struct Subject {
  BootImage image;
  Initramfs files;
  trace::Preface::Records preface;
  std::unique_ptr<Machine> machine;

  trace::SymbolTable symbols(const std::string& path) const {
    const std::vector<uint8_t>* bytes = files.find(path);
    return bytes != nullptr ? read_symbols(*bytes) : trace::SymbolTable();
  }
};

// The machine's ends on the host.
struct Ends {
  FdConsoleSink console{STDOUT_FILENO};
  FdConsoleSource input{STDIN_FILENO};
  DebugConsole::LineSink kernel_log;
};

struct Outcome {
  RunResult result;
  bool limit_reached = false;
};

// `stands` is called wherever the machine stands, at least at each position that `next` names.
Outcome run_machine(Machine& machine, const RunOptions& options, FdConsoleSink& console,
                    const std::function<uint64_t()>& next, const std::function<void()>& stands) {
  stands();
  while (true) {
    const uint64_t end = std::min(options.max_instructions, next());
    const uint64_t now = machine.icount();
    const RunResult result = machine.run(end - now > kSlice ? now + kSlice : end);
    stands();
    console.flush();
    if (result.reason != EndReason::kRunning) return {result};
    if (machine.icount() >= options.max_instructions) return {result, true};
    if (interrupted != 0 || console.error() != 0) return {result};
  }
}

// Says how it ended, where that is not plain from the program's own output.
int exit_status(const Outcome& outcome, Machine& machine, std::span<const uint8_t> kernel,
                const KernelLog& log) {
  const auto tasks = [&] {
    return task_report(machine, kernel,
                       [&log](uint32_t pid, uint64_t address) { return log.describe(pid, address); });
  };
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
        spdlog::error("stopped at --max-instructions {}\n{}{}", machine.icount(), machine.describe(),
                      tasks());
        return kStatusLimit;
      }
      if (interrupted == 0) return 0;  // the console failed, which the caller reports
      spdlog::error("interrupted after {} instructions\n{}", machine.icount(), machine.describe());
      return 128 + interrupted;
    case EndReason::kTripleFault:
    case EndReason::kDeadlock:
    case EndReason::kInternal:
      spdlog::error("the machine stopped after {} instructions\n{}{}", machine.icount(), result.report,
                    result.reason == EndReason::kDeadlock ? tasks() : "");
      return kStatusFailed;
  }
  return kStatusFailed;
}

Expected<Subject> boot(RunOptions& options, const CLI::App& command, Ends& ends) {
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  auto files = make_guest_files(options.boot, *words);
  if (!files) return std::unexpected(files.error());
  const auto kernel = read_kernel(options.machine);
  if (!kernel) return std::unexpected(kernel.error());
  if (auto good = check_trace_output(options.trace, (*words)[0], kernel->path, options.boot.root); !good)
    return std::unexpected(good.error());

  options.machine.machine.count_watched_ranges = options.stats;
  Subject subject{.image = {.kernel = kernel->bytes,
                            .command_line = std::move(files->command_line),
                            .initramfs = files->initramfs.pack()},
                  .files = std::move(files->initramfs),
                  .preface = {},
                  .machine = nullptr};
  auto machine =
      make_machine(options.machine, *kernel, subject.image, ends.console, ends.input, ends.kernel_log);
  if (!machine) return std::unexpected(machine.error());
  subject.machine = std::move(*machine);
  return subject;
}

// With --from, the file says what else is said with a program.
Expected<void> check_nothing_else_is_said(const RunOptions& options, const CLI::App& command) {
  for (const char* name : {"--cpus", "--memory", "--la57", "--quantum", "--kernel", "--env", "--root",
                           "--append", "--seed", "--cow"})
    if (command.count(name) != 0)
      return fail(ErrorKind::kUsage,
                  fmt::format("{} cannot be given with --from: {} says it", name, options.from));
  if (names_no_program(command)) return {};
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  return fail(ErrorKind::kUsage,
              fmt::format("a program cannot be given with --from: {} holds one, name no {}", options.from,
                          (*words)[0]));
}

Expected<Subject> load(const RunOptions& options, const CLI::App& command, Ends& ends) {
  if (const auto good = check_nothing_else_is_said(options, command); !good)
    return std::unexpected(good.error());
  auto snapshot = read_snapshot(options.from);
  if (!snapshot) return std::unexpected(snapshot.error());
  if (options.stats && !snapshot->config.count_watched_ranges)
    return fail(
        ErrorKind::kUsage,
        fmt::format("--stats: {} is of a run without --stats, and accesses are counted from boot on or"
                    " not at all",
                    options.from));
  if (options.max_instructions < snapshot->icount)
    return fail(ErrorKind::kUsage, fmt::format("--max-instructions {}: {} stands at instruction {}",
                                               options.max_instructions, options.from, snapshot->icount));
  auto files = Initramfs::unpack(snapshot->image.initramfs);
  if (!files) return fail(files.error().kind, options.from + ": " + files.error().message);
  auto machine = timeline::restore_snapshot(*snapshot, ends.console, ends.input, ends.kernel_log);
  if (!machine) return fail(machine.error().kind, options.from + ": " + machine.error().message);
  return Subject{.image = std::move(snapshot->image),
                 .files = std::move(*files),
                 .preface = std::move(snapshot->preface),
                 .machine = std::move(*machine)};
}

Expected<std::unique_ptr<trace::Recorder>> make_recorder(const RunOptions& options, const Subject& subject) {
  if (options.trace.empty()) return nullptr;
  return trace::Recorder::create(
      options.trace, {.machine = subject.machine->config(), .command_line = subject.image.command_line},
      read_symbols(subject.image.kernel),
      [&subject](const std::string& path) { return subject.symbols(path); });
}

Expected<int> run(RunOptions& options, const CLI::App& command) {
  Expected<Subject> subject;
  KernelLog log([&subject](const std::string& path) { return subject->symbols(path); });
  Ends ends{.kernel_log = [&log](const std::string& line) { log.put(line); }};
  subject = options.from.empty() ? boot(options, command, ends) : load(options, command, ends);
  if (!subject) return std::unexpected(subject.error());
  Machine& machine = *subject->machine;
  auto snapshots = SnapshotWriter::create(options.snapshots, machine.icount());
  if (!snapshots) return std::unexpected(snapshots.error());
  auto recorder = make_recorder(options, *subject);
  if (!recorder) return std::unexpected(recorder.error());

  trace::EventTap tap;
  trace::Stats stats;
  trace::Preface preface;
  if (*recorder) tap.add(**recorder);
  if (options.stats) tap.add(stats);
  if (!snapshots->empty()) tap.add(preface);
  machine.add_observer(log);
  if (!tap.empty()) machine.add_observer(tap);
  for (const trace_abi::TraceRecord& record : subject->preface) {
    log.on_tracepoint({}, record);
    tap.on_tracepoint({}, record);
  }
  if (!options.from.empty()) tap.mark(machine, trace_abi::CpuMark::kBegins);

  catch_interrupts();
  ::signal(SIGPIPE, SIG_IGN);
  const auto stands = [&] {
    if (*recorder) (*recorder)->advance(machine.icount());
    if (machine.icount() != snapshots->next()) return;
    snapshots->write_due(machine, subject->image, preface);
    spdlog::info("{} bytes of standard input had been consumed", ends.input.consumed());
  };
  const Outcome outcome =
      run_machine(machine, options, ends.console, [&] { return snapshots->next(); }, stands);
  int status = exit_status(outcome, machine, subject->image.kernel, log);
  spdlog::info("{} instructions", machine.icount());
  tap.mark(machine, trace_abi::CpuMark::kEnds);
  tap.finish();
  stats.ended_at(machine.icount());
  if (*recorder) {
    const trace::RunEnd end{outcome.result.reason, outcome.result.exit_value, machine.icount()};
    if (auto closed = (*recorder)->close(end); !closed) status = report(closed.error());
  }
  if (const int missing = snapshots->finish(machine.icount()); missing != 0 && interrupted == 0)
    status = missing;
  if (const int error = ends.console.error(); error != 0)
    status = report({ErrorKind::kHost, fmt::format("standard output: {}", std::strerror(error))});
  if (options.stats) {
    const auto format = options.stats_format == "json" ? trace::Format::kJson : trace::Format::kTable;
    trace::print_stats(std::cerr, format, stats, true);
    if (!std::cerr)
      status = report({ErrorKind::kHost, "the sums of --stats cannot be written to standard error"});
  }
  return status;
}

}  // namespace

void add_run(CLI::App& app, int* status) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Run a static Linux program on minikernel, or go on from a snapshot");
  command->formatter(
      std::make_shared<HelpFormatter>(std::vector<std::string>{"PROGRAM [ARGUMENT...]", "--from FILE"}));
  options->machine.add_to(*command);
  command->add_option("--trace", options->trace, "Record every fault, TLB event and tracepoint")
      ->type_name("FILE")
      ->check(not_empty());
  command->add_option("--max-instructions", options->max_instructions, "Stop with status 124 after so many")
      ->type_name("N")
      ->transform(whole_number(1));
  command
      ->add_option("--snapshot-at", options->snapshots,
                   "Write the machine to FILE when so many instructions are done, and go on; several times")
      ->type_name("N FILE")
      ->allow_extra_args(false)
      ->transform(whole_number().application_index(0))
      ->check(not_empty().application_index(1));
  command->add_option("--from", options->from, "Go on from a file of --snapshot-at, without a PROGRAM")
      ->type_name("FILE")
      ->check(not_empty());
  CLI::Option* stats = command->add_flag(
      "--stats", options->stats, "Count accesses to the kernel's frame table, and show sums at the end");
  command->add_option("--stats-format", options->stats_format, "With --stats: table or json [table]")
      ->needs(stats)
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
