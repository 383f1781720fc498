// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/help.h"

#include <fmt/format.h>

namespace mmuscope::cli {
namespace {

constexpr size_t kWidth = 120;

// Broken at spaces; all lines but the first behind `indent` columns, which the first has, too, of something
// else.
std::string wrapped(const std::string& text, size_t indent) {
  std::string out;
  size_t at = 0;
  while (text.size() - at > kWidth - indent) {
    const size_t space = text.rfind(' ', at + kWidth - indent);
    if (space == std::string::npos || space <= at) break;
    out += text.substr(at, space - at) + "\n" + std::string(indent, ' ');
    at = space + 1;
  }
  return out + text.substr(at);
}

}  // namespace

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  if (usages_.empty()) return CLI::Formatter::make_usage(app, name);
  std::string text;
  for (const std::string& usage : usages_)
    text += fmt::format("{} {} [OPTIONS] {}\n", text.empty() ? "Usage:" : "      ", name, usage);
  return text;
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  const std::string text = app->get_description();  // has lines of its own, or is one
  return (text.find('\n') == std::string::npos ? wrapped(text, 0) : text) + "\n";
}

std::string HelpFormatter::row(const std::string& name, const std::string& text) const {
  const size_t column = get_column_width();
  std::string out = "  " + name;
  if (text.empty()) return out + "\n";
  out = out.size() < column ? fmt::format("{:{}}", out, column) : out + "\n" + std::string(column, ' ');
  return out + wrapped(text, column) + "\n";
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  return row(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* app) const {
  return row(app->get_name(), app->get_description());
}

}  // namespace mmuscope::cli
