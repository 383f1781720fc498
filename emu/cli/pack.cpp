// SPDX-License-Identifier: GPL-2.0-or-later
//
// mmuscope pack: what `run` would boot, as files for another machine (tools/run-on-qemu).
#include <memory>

#include "cli/boot_options.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/help.h"
#include "cli/option_values.h"

namespace mmuscope::cli {
namespace {

struct PackOptions {
  BootOptions boot;
  std::string output;
};

Expected<void> pack(const PackOptions& options, const CLI::App& command) {
  const auto words = program_words(command);
  if (!words) return std::unexpected(words.error());
  const auto files = make_guest_files(options.boot, *words);
  if (!files) return std::unexpected(files.error());
  const std::filesystem::path folder = options.output;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(ErrorKind::kUsage, folder.string() + ": " + error.message());
  if (auto written = write_file(folder / "initramfs.cpio", files->initramfs.pack()); !written) return written;
  return write_file(folder / "cmdline", files->command_line + "\n");
}

}  // namespace

void add_pack(CLI::App& app, int* status) {
  auto options = std::make_shared<PackOptions>();
  CLI::App* command = app.add_subcommand("pack", "Write what `run` would boot, for another machine");
  command->formatter(
      std::make_shared<HelpFormatter>(std::vector<std::string>{"--output DIR PROGRAM [ARGUMENT...]"}));
  command->add_option("--output", options->output, "Folder for initramfs.cpio and cmdline")
      ->type_name("DIR")
      ->check(not_empty())
      ->required();
  options->boot.add_to(*command);
  command->callback([options, command, status] {
    if (auto done = pack(*options, *command); !done) *status = report(done.error());
  });
}

}  // namespace mmuscope::cli
