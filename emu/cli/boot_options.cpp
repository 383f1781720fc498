// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/boot_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "cli/files.h"
#include "cli/option_values.h"
#include "debug/elf_file.h"

namespace mmuscope::cli {
namespace {

char hidden_separator[] = "\1--";  // nobody's program or option

std::vector<uint8_t> terminated(const std::vector<std::string>& strings) {
  std::vector<uint8_t> bytes;
  for (const std::string& string : strings) {
    bytes.insert(bytes.end(), string.begin(), string.end());
    bytes.push_back(0);
  }
  return bytes;
}

// The kernel's command line is split at spaces.
std::string guest_path(const std::string& program) {
  std::string name = std::filesystem::path(program).filename().string();
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; }, '_');
  return "/bin/" + name;
}

Expected<std::vector<std::string>> environment_of(const BootOptions& options) {
  std::vector<std::string> result{"PATH=/bin:/usr/bin", "HOME=/"};
  for (const std::string& setting : options.environment) {
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorKind::kUsage, fmt::format("--env {}: is not of the form NAME=VALUE", setting));
    const std::string name = setting.substr(0, equals + 1);
    std::erase_if(result, [&](const std::string& before) { return before.starts_with(name); });
    result.push_back(setting);
  }
  return result;
}

}  // namespace

void BootOptions::add_to(CLI::App& command) {
  command
      .add_option("--env", environment, "Add NAME=VALUE to the program's environment (PATH and HOME are set)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command.add_option("--root", root, "A folder of the host that becomes the guest's root file system")
      ->type_name("DIR")
      ->check(not_empty());
  command.add_option("--append", append, "Words added to the kernel's command line")->type_name("TEXT");
  command.add_option("--seed", seed, "Where the guest's random numbers start [0]")
      ->type_name("N")
      ->transform(whole_number());
  command.add_option("--cow", cow, "How the kernel decides on copy-on-write [pte]")
      ->check(CLI::IsMember(
          {"mapcount", "page-count", "unshare-mapcount", "anon-exclusive", "pte", "pte-group"}));
  command.prefix_command();
}

void hide_separator(int words, char** word) {
  char** separator =
      std::find_if(word, word + words, [](const char* text) { return !std::strcmp(text, "--"); });
  if (separator != word + words) *separator = hidden_separator;
}

bool names_no_program(const CLI::App& command) {
  const std::vector<std::string> words = command.remaining();
  return words.empty() || (words.size() == 1 && words[0] == hidden_separator);
}

Expected<std::vector<std::string>> program_words(const CLI::App& command) {
  std::vector<std::string> words = command.remaining();
  const bool separated = !words.empty() && words[0] == hidden_separator;
  if (separated) words.erase(words.begin());
  std::replace(words.begin(), words.end(), std::string(hidden_separator), std::string("--"));
  if (separated && !words.empty()) return words;
  if (!words.empty() && words[0].starts_with("-") && words[0].size() > 1)
    return fail(ErrorKind::kUsage,
                fmt::format("unknown option {}: see mmuscope {} --help", words[0], command.get_name()));
  if (words.empty())
    return fail(ErrorKind::kUsage,
                fmt::format("no program named: see mmuscope {} --help", command.get_name()));
  return words;
}

Expected<GuestFiles> make_guest_files(const BootOptions& options,
                                      const std::vector<std::string>& command_and_arguments) {
  const std::string& program = command_and_arguments[0];
  auto bytes = read_file(program);
  if (!bytes) {
    std::error_code ignored;
    const bool bare = program.find('/') == std::string::npos && !std::filesystem::exists(program, ignored);
    return fail(bytes.error().kind, bytes.error().message + (bare ? "; PATH is not searched" : ""));
  }
  if (auto good = check_guest_program(*bytes, program); !good) return std::unexpected(good.error());
  auto environment = environment_of(options);
  if (!environment) return std::unexpected(environment.error());
  GuestFiles files;
  if (!options.root.empty())
    if (auto added = files.initramfs.add_tree(options.root); !added)
      return fail(added.error().kind, "--root: " + added.error().message);
  const std::string path = guest_path(program);
  std::vector<std::string> arguments = command_and_arguments;
  arguments[0] = path;
  files.initramfs.add_file(path, std::move(*bytes), 0755);
  files.initramfs.add_file("/etc/init.argv", terminated(arguments));
  files.initramfs.add_file("/etc/init.envp", terminated(*environment));
  files.command_line = fmt::format("init={} seed={}", path, options.seed);
  if (!options.cow.empty()) files.command_line += " cow=" + options.cow;
  if (!options.append.empty()) files.command_line += " " + options.append;
  return files;
}

}  // namespace mmuscope::cli
