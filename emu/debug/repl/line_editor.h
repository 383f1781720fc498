// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lines from a terminal, by libedit: editing, history in a file, completion with Tab. ^C clears the line, ^D
// on an empty one ends.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "debug/repl/repl.h"

namespace mmuscope::debug {

class LineEditor {
 public:
  using Complete = std::function<std::vector<std::string>(std::string_view line)>;

  // `history`: a path, or empty. A file that cannot be read or written is no error.
  LineEditor(std::string prompt, std::string history, Complete complete);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  struct Line {
    std::string text;
    bool cleared = false;  // by ^C: not an empty line that repeats something
  };
  // Without its newline; nothing at the end of input.
  std::optional<Line> read();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Every line of a script, or of a pipe, until `quit`. Stops at the first line that fails, which it names,
// when told to. Whether all went well.
bool run_lines(Repl& repl, std::istream& lines, const std::string& name, bool stop_at_error);

// Until `quit` or the end of input.
void run_interactively(Repl& repl, const std::string& history);

}  // namespace mmuscope::debug
