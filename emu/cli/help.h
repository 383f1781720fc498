// SPDX-License-Identifier: GPL-2.0-or-later
//
// What --help prints: CLI11's, in lines that a terminal of 120 columns takes, and with what a command takes
// behind its options, which CLI11 cannot know of commands whose other words belong to a program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace mmuscope::cli {

class HelpFormatter final : public CLI::Formatter {
 public:
  // `usages`: what follows [OPTIONS], a way to call it each; empty: as CLI11 has it.
  explicit HelpFormatter(std::vector<std::string> usages = {}) : usages_(std::move(usages)) {}

  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* app) const override;

 private:
  std::string row(const std::string& name, const std::string& text) const;
  std::vector<std::string> usages_;
};

}  // namespace mmuscope::cli
