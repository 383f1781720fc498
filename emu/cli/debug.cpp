// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope debug: the built-in debugger, at a terminal or by scripts. Standard input is the debugger's; the
// guest's comes from --input.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <streambuf>

#include "cli/commands.h"
#include "cli/debug_session.h"
#include "cli/help.h"
#include "cli/option_values.h"
#include "debug/repl/line_editor.h"
#include "debug/repl/repl.h"

namespace mmuscope::cli {
namespace {

using debug::Repl;

struct BuiltInOptions {
  DebugOptions debug;
  std::vector<std::string> scripts;  // -x FILE; they come first
  // -ex COMMAND as gdb has it. To the parser that is option -e with two values, the first of them "x".
  std::vector<std::pair<std::string, std::string>> commands;
  bool batch = false;
};

Repl* interrupted = nullptr;  // for the signal handler

// While one lives, ^C ends what the machine does, not this program.
class InterruptsStop {
 public:
  explicit InterruptsStop(Repl& repl) {
    interrupted = &repl;
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted->interrupt(); };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, &before_);
  }
  ~InterruptsStop() {
    ::sigaction(SIGINT, &before_, nullptr);
    interrupted = nullptr;
  }
  InterruptsStop(const InterruptsStop&) = delete;
  InterruptsStop& operator=(const InterruptsStop&) = delete;

 private:
  struct sigaction before_{};
};

std::string history_path() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == 0 ? "" : std::string(home).append("/.mmuscope_history");
}

// What the guest printed comes out before what the debugger says of it.
class AfterConsole final : public std::streambuf {
 public:
  explicit AfterConsole(DebugSession& session) : session_(session) {}

 protected:
  int sync() override {
    session_.flush_console();
    std::cout.write(text_.data(), static_cast<std::streamsize>(text_.size()));
    text_.clear();
    std::cout.flush();
    return std::cout ? 0 : -1;
  }
  int overflow(int letter) override {
    if (letter != EOF) text_ += static_cast<char>(letter);
    return letter == EOF ? 0 : letter;
  }

 private:
  DebugSession& session_;
  std::string text_;
};

Expected<int> debug(const BuiltInOptions& options, const CLI::App& command) {
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  std::vector<std::unique_ptr<std::ifstream>> scripts;
  for (const std::string& path : options.scripts) {
    scripts.push_back(std::make_unique<std::ifstream>(path));
    if (!*scripts.back()) return fail(ErrorKind::kUsage, path + ": cannot be read");
  }
  for (const auto& [x, line] : options.commands)
    if (x != "x") return fail(ErrorKind::kUsage, "unknown option -e: write -ex COMMAND");
  const auto session = DebugSession::create(options.debug, *words);
  if (!session) return std::unexpected(session.error());
  AfterConsole buffer(**session);
  std::ostream out(&buffer);
  Repl repl((*session)->target(), (*session)->inspection(), (*session)->commands(), (*session)->kernel_elf(),
            out);
  repl.add_program((*session)->program_elf(), (*session)->program_bias());
  if (const std::string sources = (*session)->kernel_sources(); !sources.empty())
    repl.add_source_folder(sources);
  const InterruptsStop signals(repl);
  ::signal(SIGPIPE, SIG_IGN);

  bool good = true;
  for (size_t i = 0; i < scripts.size() && !repl.quitting() && good; ++i)
    good = debug::run_lines(repl, *scripts[i], options.scripts[i], true);
  for (const auto& [x, line] : options.commands)
    if (!repl.quitting()) good &= repl.execute(line);
  if (!options.batch && !repl.quitting()) {
    if (::isatty(STDIN_FILENO) == 1) {
      debug::run_interactively(repl, history_path());
      good = true;
    } else {
      good &= debug::run_lines(repl, std::cin, "", false);
    }
  }
  out.flush();
  return good ? 0 : 1;
}

}  // namespace

void add_debug(CLI::App& app, int* status) {
  auto options = std::make_shared<BuiltInOptions>();
  CLI::App* command =
      app.add_subcommand("debug", "Debug a program and its kernel, both ways in time, without gdb");
  command->formatter(std::make_shared<HelpFormatter>(std::vector<std::string>{"PROGRAM [ARGUMENT...]"}));
  command->add_option("-x,--command", options->scripts, "Run the debugger's commands in a file first")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command->add_option("-e", options->commands)->allow_extra_args(false)->group("");
  command->footer("-ex COMMAND runs one of the debugger's commands, after the files; several times.");
  command->add_flag("--batch", options->batch, "End after the files and commands");
  options->debug.add_to(*command);
  command->callback([options, command, status] {
    if (options->debug.verbose) spdlog::set_level(spdlog::level::info);
    const auto done = debug(*options, *command);
    *status = done ? *done : report(done.error());
  });
}

}  // namespace mmuscope::cli
