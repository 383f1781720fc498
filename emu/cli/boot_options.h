// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `run` and `pack` share: the options that say which program starts, with what around it, and the boot
// image that comes of them. In the guest the program is /bin/NAME; arguments and environment are in
// /etc/init.argv and /etc/init.envp, terminated strings one after the other (minikernel/init.cpp reads them).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/initramfs.h"

namespace mmuscope::cli {

struct BootOptions {
  std::vector<std::string> environment;  // --env, K=V
  std::string root;                      // --root
  std::string append;                    // --append
  uint64_t seed = 0;                     // --seed
  std::string cow;                       // --cow; empty: the kernel's own choice

  void add_to(CLI::App& command);
};

struct GuestFiles {
  Initramfs initramfs;
  std::string command_line;
};

// `command_and_arguments`: PROGRAM ARGS..., as left over on the command line. kUsage, kData.
Expected<GuestFiles> make_guest_files(const BootOptions& options,
                                      const std::vector<std::string>& command_and_arguments);

// `--` in front of the program. CLI11 ends a subcommand there and refuses what follows; so the first one, in
// `words` after the subcommand, is made a word of no meaning to it, which program_words() knows.
void hide_separator(int words, char** word);

// Nothing is left over but, perhaps, a --.
bool names_no_program(const CLI::App& command);

// The rest of the command line, from the first word that is no option of `command`. kUsage when that looks
// like one.
Expected<std::vector<std::string>> program_words(const CLI::App& command);

}  // namespace mmuscope::cli
