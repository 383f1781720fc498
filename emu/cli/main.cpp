// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <string_view>

#include "cli/boot_options.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace mmuscope::cli {

int report(const Error& error) {
  spdlog::error("{}", error.message);
  return static_cast<int>(error.kind);
}

namespace {

// A file that is opened while 0, 1 or 2 is closed gets that number: what the guest prints would be written
// into the trace. Such a descriptor is occupied, by something that refuses what the closed one would have
// refused.
void occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    const int opened = ::open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY);
    if (opened != fd) ::_exit(static_cast<int>(ErrorKind::kHost));
  }
}

void set_up_log() {
  spdlog::set_default_logger(spdlog::stderr_color_mt("mmuscope"));
  spdlog::set_pattern("%n: %^%l%$: %v");
  spdlog::set_level(spdlog::level::warn);
}

// What CLI11 says of a command line that it does not take, in the words of this program.
Error bad_command_line(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) {
    std::string what = error.what();
    if (what.starts_with("The ")) what[0] = 't';
    return {ErrorKind::kUsage, fmt::format("{} (see mmuscope {} --help)", what, chosen[0]->get_name())};
  }
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) return {ErrorKind::kUsage, "no subcommand named: see mmuscope --help"};
  const char* what = words[0].starts_with("-") ? "option" : "subcommand";
  return {ErrorKind::kUsage, fmt::format("unknown {} {}: see mmuscope --help", what, words[0])};
}

int finished(int status) {
  std::cout.flush();
  if (!std::cout) return report({ErrorKind::kHost, "standard output cannot be written"});
  return status;
}

int main_of(int argc, char** argv) {
  CLI::App app(
      "mmuscope runs static Linux programs on a small kernel in a machine whose MMU it owns,\n"
      "and shows what the page tables, the TLBs and the page-fault handler did.",
      "mmuscope");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "mmuscope " MMUSCOPE_VERSION);
  app.require_subcommand(1);
  int status = 0;
  add_run(app, &status);
  add_gdb(app, &status);
  add_debug(app, &status);
  add_faults(app, &status);
  add_tlb(app, &status);
  add_walk(app, &status);
  add_stats(app, &status);
  add_matrix(app, &status);
  add_pack(app, &status);
  if (argc > 2 && (std::string_view(argv[1]) == "run" || std::string_view(argv[1]) == "pack"))
    hide_separator(argc - 2, argv + 2);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" with status 0.
    if (error.get_exit_code() == 0) return finished(app.exit(error));
    return report(bad_command_line(app, error));
  }
  return finished(status);
}

}  // namespace
}  // namespace mmuscope::cli

int main(int argc, char** argv) {
  mmuscope::cli::occupy_standard_descriptors();
  mmuscope::cli::set_up_log();
  return mmuscope::cli::main_of(argc, argv);
}
