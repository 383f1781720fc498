// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "cli/commands.h"

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

int main_of(int argc, char** argv) {
  CLI::App app(
      "mmuscope runs static Linux programs on a small kernel in a machine whose MMU it owns,\n"
      "and shows what the page tables, the TLBs and the page-fault handler did.");
  app.set_version_flag("--version", "mmuscope " MMUSCOPE_VERSION);
  app.require_subcommand(1);
  int status = 0;
  add_run(app, &status);
  add_faults(app, &status);
  add_tlb(app, &status);
  add_walk(app, &status);
  add_stats(app, &status);
  add_pack(app, &status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" with status 0.
    if (error.get_exit_code() == 0) return app.exit(error);
    return report({ErrorKind::kUsage, std::string(error.what()) + " (see mmuscope --help)"});
  }
  std::cout.flush();
  if (!std::cout) return report({ErrorKind::kHost, "standard output cannot be written"});
  return status;
}

}  // namespace
}  // namespace mmuscope::cli

int main(int argc, char** argv) {
  mmuscope::cli::occupy_standard_descriptors();
  mmuscope::cli::set_up_log();
  return mmuscope::cli::main_of(argc, argv);
}
