// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/matrix_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "abi/trace_port.h"
#include "cli/boot_options.h"
#include "cli/kernel_log.h"
#include "devices/host_console.h"
#include "matrix/tap_report.h"

namespace mmuscope::cli {
namespace {

using matrix::Cell;

// A scenario gives up after 20 seconds of its own, each a thousand million instructions when it does not
// sleep.
constexpr uint64_t kMostInstructions = 30'000'000'000;
constexpr size_t kMostNotes = 10;

// What a machine left behind, as it goes from its process to ours.
struct Remains {
  uint64_t instructions = 0;
  std::string trouble;             // one line; empty: the program ended
  std::string refusal;             // one line: why the kernel ran no program
  std::vector<std::string> notes;  // lines
  int status = 0;                  // of the program
  std::string console;
};

std::string first_line_with(const std::string& text, std::string_view word) {
  const size_t at = text.find(word);
  if (at == std::string::npos) return {};
  const size_t start = text.rfind('\n', at) + 1;  // npos + 1 is 0
  std::string line = text.substr(start, text.find_first_of("\r\n", at) - start);
  return ": " + line;
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of("\r\n");
  if (end == std::string::npos) return {};
  const size_t before = text.find_last_of("\r\n", end);
  return text.substr(before + 1, end - before);  // npos + 1 is 0
}

std::string trouble_of(const RunResult& result, const std::string& console, uint64_t instructions) {
  switch (result.reason) {
    case EndReason::kExit:
      if ((result.exit_value & trace_abi::kExitPanic) == 0) return {};
      return "the guest's kernel panicked" + first_line_with(console, "panic");
    case EndReason::kRunning:
      return fmt::format("still running after {} instructions", instructions);
    case EndReason::kDeadlock:
      return "nothing could happen any more: the machine stands still";
    case EndReason::kTripleFault:
    case EndReason::kInternal:
      break;
  }
  return "the machine stopped: " + result.report.substr(0, result.report.find('\n'));
}

Expected<std::unique_ptr<Machine>> boot(const MatrixMachine& machine, const MatrixRun& run, ConsoleSink& sink,
                                        ConsoleSource& source, DebugConsole::LineSink log) {
  const BootOptions boot{.environment = {}, .root = {}, .append = machine.append, .cow = run.policy};
  auto files = make_guest_files(boot, {run.program});
  if (!files) return std::unexpected(files.error());
  const BootImage image{.kernel = machine.kernel.bytes,
                        .command_line = std::move(files->command_line),
                        .initramfs = files->initramfs.pack()};
  MachineOptions options = machine.options;
  options.machine.cpus = run.cpus;
  return make_machine(options, machine.kernel, image, sink, source, std::move(log));
}

Expected<Remains> run_machine(const MatrixMachine& machine, const MatrixRun& run) {
  Remains remains;
  const KernelLog log(nullptr);
  const auto note = [&](const std::string& line) {
    if (const auto refusal = log.refusal(line)) remains.refusal = *refusal;
    if (const auto warning = log.warning(line); warning && remains.notes.size() < kMostNotes)
      remains.notes.push_back(*warning);
  };
  StringConsoleSink console;
  StringConsoleSource nothing;
  auto made = boot(machine, run, console, nothing, note);
  if (!made) return std::unexpected(made.error());
  const RunResult result = (*made)->run(kMostInstructions);
  remains.instructions = (*made)->icount();
  remains.console = console.text();
  remains.trouble = trouble_of(result, remains.console, remains.instructions);
  if (remains.trouble.empty()) remains.trouble = remains.refusal;
  remains.status = static_cast<int>(result.exit_value & 0xff);
  return remains;
}

Cell judge(Remains remains, unsigned cpus) {
  Cell cell{.measured = {},
            .trouble = std::move(remains.trouble),
            .notes = std::move(remains.notes),
            .cpus = cpus,
            .instructions = remains.instructions};
  auto report = matrix::parse_tap(remains.console);
  if (report) cell.notes.insert(cell.notes.begin(), report->failed.begin(), report->failed.end());
  if (!cell.trouble.empty()) return cell;
  if (!report) {
    cell.trouble = report.error().message;
    // Which may have said it already.
    if (const std::string words = last_line(remains.console);
        !words.empty() && !words.starts_with(matrix::kBailOut))
      cell.trouble += "; the guest's last line: " + words;
  } else if (const bool good = report->outcome.verdict == "ok" || report->outcome.verdict == matrix::kSkip;
             remains.status != (good ? 0 : 1)) {
    cell.trouble = fmt::format("verdict {}, but status {}", report->outcome.verdict, remains.status);
  } else {
    cell.measured = std::move(report->outcome);
  }
  return cell;
}

// ---- From process to process: lines, and the console's text after an empty one ----

std::string pack(const Remains& remains) {
  std::string text = fmt::format("{} {}\n", remains.instructions, remains.status);
  text += remains.trouble + "\n" + remains.refusal + "\n";
  for (const std::string& note : remains.notes) text += note + "\n";
  return text + "\n" + remains.console;
}

std::string take_line(std::string& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string line = text.substr(0, end);
  text.erase(0, end + 1);
  return line;
}

Remains unpack(std::string text) {
  Remains remains;
  const std::string numbers = take_line(text);
  const char* end = numbers.data() + numbers.size();
  const auto first = std::from_chars(numbers.data(), end, remains.instructions);
  if (first.ptr != end) std::from_chars(first.ptr + 1, end, remains.status);
  remains.trouble = take_line(text);
  remains.refusal = take_line(text);
  for (std::string note = take_line(text); !note.empty(); note = take_line(text))
    remains.notes.push_back(note);
  remains.console = std::move(text);
  return remains;
}

struct Worker {
  pid_t pid = 0;
  int pipe = -1;
  size_t index = 0;
  std::string text;
};

[[noreturn]] void work(const MatrixMachine& machine, const MatrixRun& run, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  const auto remains = run_machine(machine, run);
  const std::string text = pack(remains ? *remains : Remains{.trouble = remains.error().message});
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(pipe, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) ::_exit(1);
    done += static_cast<size_t>(std::max<ssize_t>(written, 0));
  }
  ::_exit(0);
}

Expected<Worker> start(const MatrixMachine& machine, const std::vector<MatrixRun>& runs, size_t index) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(ErrorKind::kHost, fmt::format("pipe: {}", std::strerror(errno)));
  const pid_t pid = ::fork();
  if (pid < 0) {
    const int error = errno;
    ::close(ends[0]), ::close(ends[1]);
    return fail(ErrorKind::kHost, fmt::format("fork: {}", std::strerror(error)));
  }
  if (pid == 0) work(machine, runs[index], ends[1]);
  ::close(ends[1]);
  return Worker{.pid = pid, .pipe = ends[0], .index = index, .text = {}};
}

// False: it has ended.
bool hear(Worker& worker) {
  char part[65536];
  const ssize_t bytes = ::read(worker.pipe, part, sizeof part);
  if (bytes < 0) return errno == EINTR;
  worker.text.append(part, static_cast<size_t>(bytes));
  return bytes > 0;
}

// What the options of all machines are, one says.
constexpr int kRefusedOption = 2;

// kUsage.
Expected<Cell> finish(Worker& worker, unsigned cpus) {
  ::close(worker.pipe);
  int status = 0;
  while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
  }
  Remains remains = unpack(std::move(worker.text));
  if (WIFSIGNALED(status))
    remains.trouble = fmt::format("mmuscope itself died of signal {}", WTERMSIG(status));
  if (!remains.refusal.empty() && remains.status == kRefusedOption)
    return fail(ErrorKind::kUsage, remains.refusal);
  return judge(std::move(remains), cpus);
}

void end(const Worker& worker) {
  ::kill(worker.pid, SIGKILL);
  ::close(worker.pipe);
  while (::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Expected<void> check_machine(const MatrixMachine& machine, const MatrixRun& run) {
  StringConsoleSink console;
  StringConsoleSource nothing;
  const auto made = boot(machine, run, console, nothing, nullptr);
  if (!made) return std::unexpected(made.error());
  return {};
}

Cell run_scenario(const MatrixMachine& machine, const MatrixRun& run) {
  auto remains = run_machine(machine, run);
  if (!remains)
    return Cell{.measured = {}, .trouble = remains.error().message, .notes = {}, .cpus = run.cpus};
  return judge(std::move(*remains), run.cpus);
}

Expected<std::vector<Cell>> run_scenarios(const MatrixMachine& machine, const std::vector<MatrixRun>& runs,
                                          unsigned at_once, const std::function<void(size_t)>& begins,
                                          const std::atomic<int>& stop) {
  constexpr int kLookMilliseconds = 100;
  std::vector<Cell> cells(runs.size());
  size_t done = 0;
  std::vector<Worker> workers;
  std::optional<Error> error;
  for (size_t next = 0; !workers.empty() || (next < runs.size() && !error);) {
    if (stop != 0) {
      for (const Worker& worker : workers) end(worker);
      return fail(ErrorKind::kInterrupted,
                  fmt::format("interrupted: {} of {} machines were done", done, runs.size()));
    }
    while (!error && next < runs.size() && workers.size() < at_once) {
      begins(next);
      if (auto started = start(machine, runs, next++))
        workers.push_back(std::move(*started));
      else
        error = started.error();
    }
    std::vector<pollfd> polled;
    polled.reserve(workers.size());
    for (const Worker& worker : workers)
      polled.push_back({.fd = worker.pipe, .events = POLLIN, .revents = 0});
    if (::poll(polled.data(), polled.size(), kLookMilliseconds) < 0) continue;  // EINTR
    for (size_t i = workers.size(); i-- > 0;) {
      if (polled[i].revents == 0 || hear(workers[i])) continue;
      // A worker that the same ^C has killed is not done.
      if (stop != 0) break;
      if (auto cell = finish(workers[i], runs[workers[i].index].cpus))
        cells[workers[i].index] = std::move(*cell);
      else
        error = cell.error();
      ++done;
      workers.erase(workers.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  if (error) return std::unexpected(*error);
  return cells;
}

}  // namespace mmuscope::cli
