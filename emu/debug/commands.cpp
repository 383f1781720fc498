// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "debug/words.h"
#include "trace/json_text.h"

namespace mmuscope::debug {
namespace {

using trace::Json;
using trace::to_line;

std::string usage(const Command& command) {
  return command.arguments.empty() ? command.name : command.name + " " + command.arguments;
}

}  // namespace

Commands::Commands() {
  // The handler is given the table by run(): a copy of this object must not ask the original.
  add({"help", "[COMMAND]", "this list, or one line of it", nullptr});
}

void Commands::add(Command command) {
  const auto same = std::find_if(commands_.begin(), commands_.end(),
                                 [&](const Command& other) { return other.name == command.name; });
  if (same != commands_.end()) {
    *same = std::move(command);
  } else {
    commands_.push_back(std::move(command));
  }
}

std::vector<std::string> Commands::names() const {
  std::vector<std::string> names;
  for (const Command& command : commands_) names.push_back(command.name);
  return names;
}

const Command* Commands::find(std::string_view name) const {
  const auto found =
      std::find_if(commands_.begin(), commands_.end(), [&](const Command& c) { return c.name == name; });
  return found == commands_.end() ? nullptr : &*found;
}

Expected<const Command*> Commands::find_or_shortened(std::string_view name) const {
  if (const Command* command = find(name)) return command;
  std::vector<const Command*> meant;
  for (const Command& command : commands_)
    if (command.name.starts_with(name)) meant.push_back(&command);
  if (meant.size() == 1) return meant.front();
  if (meant.empty()) return fail(ErrorKind::kUsage, fmt::format("there is no command {}: try help", name));
  return fail(ErrorKind::kUsage, fmt::format("{} may be {} or {}", name, meant[0]->name, meant[1]->name));
}

Expected<std::string> Commands::help(const Arguments& arguments) const {
  if (arguments.words.size() > 1) return bad_arguments();
  std::vector<const Command*> shown;
  if (arguments.words.empty()) {
    for (const Command& command : commands_) shown.push_back(&command);
  } else {
    const auto one = find_or_shortened(arguments.words[0]);
    if (!one) return std::unexpected(one.error());
    shown.push_back(*one);
  }
  // What is longer has a line of its own.
  constexpr size_t kWidest = 40;
  size_t width = 0;
  for (const Command* command : shown)
    if (usage(*command).size() <= kWidest) width = std::max(width, usage(*command).size());
  std::string text;
  Json json = Json::array();
  for (const Command* command : shown) {
    const std::string first = usage(*command);
    text += first.size() <= width ? fmt::format("{:<{}}  {}\n", first, width, command->help)
                                  : fmt::format("{}\n{:<{}}  {}\n", first, "", width, command->help);
    json.push_back({{"name", command->name}, {"arguments", command->arguments}, {"help", command->help}});
  }
  return arguments.json ? to_line(json) : text;
}

Expected<std::string> Commands::try_run(std::string_view line) const {
  std::vector<std::string> words = split_words(line);
  if (words.empty()) return "";
  const auto command = find_or_shortened(words[0]);
  if (!command) return std::unexpected(command.error());
  Arguments arguments;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--json") {
      arguments.json = true;
    } else {
      arguments.words.push_back(std::move(words[i]));
    }
  }
  auto result = (*command)->handler ? (*command)->handler(arguments) : help(arguments);
  if (result) return result;
  const std::string& why = result.error().message;
  return fail(result.error().kind,
              why.empty() ? "usage: " + usage(**command) : (*command)->name + ": " + why);
}

std::string Commands::run(std::string_view line) const {
  const auto result = try_run(line);
  if (result) return *result;
  const std::vector<std::string> words = split_words(line);
  if (std::find(words.begin(), words.end(), "--json") != words.end())
    return to_line(Json{{"error", result.error().message}});
  return result.error().message + "\n";
}

}  // namespace mmuscope::debug
