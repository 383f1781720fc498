// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor commands of a debugger: a table of names with what they do, run by line. What a front end
// prints is what run() returns: lines of at most 120 columns (a command may promise less of what it is added
// with), or, when --json stands after the command's name, JSON in one line with 64-bit numbers as strings. A
// mistake gives one line that says which ("walk: no symbol is called mian"), as JSON {"error": ...}. The
// commands that look at the machine are added by add_inspection() (inspection_commands.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mmuscope::debug {

struct Arguments {
  std::vector<std::string> words;  // without the command's name and --json
  bool json = false;
};

struct Command {
  std::string name;
  std::string arguments;  // for people, "[FIRST LAST]"; checked by the handler
  std::string help;       // one line
  // Text that ends in a newline, or JSON. kUsage with an empty message: the arguments are not what
  // `arguments` says.
  std::function<Expected<std::string>(const Arguments&)> handler;
};

// For handlers: the arguments are not as described.
inline std::unexpected<Error> bad_arguments() { return fail(ErrorKind::kUsage, ""); }

class Commands {
 public:
  Commands();  // knows `help`

  // Replaces a command of the same name.
  void add(Command command);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::vector<std::string> names() const;  // as they were added
  // Nothing for an empty line. Words are what spaces separate. A command may be shortened as long as one only
  // is meant.
  std::string run(std::string_view line) const;
  // The same with the error kept apart.
  Expected<std::string> try_run(std::string_view line) const;

  static constexpr size_t kColumns = 120;

 private:
  const Command* find(std::string_view name) const;
  Expected<const Command*> find_or_shortened(std::string_view name) const;
  Expected<std::string> help(const Arguments& arguments) const;

  std::vector<Command> commands_;  // as they were added
};

}  // namespace mmuscope::debug
