// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/repl/line_editor.h"

#include <fmt/format.h>
#include <histedit.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <istream>

#include "debug/words.h"

namespace mmuscope::debug {
namespace {

constexpr int kHistoryLines = 1000;
constexpr const char* kPrompt = "(mmuscope) ";

}  // namespace

struct LineEditor::State {
  std::string prompt, history_path;
  Complete complete;
  EditLine* editor = nullptr;
  History* history = nullptr;
  bool cleared = false;

  static State& of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<State*>(data);
  }
  static char* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }

  static unsigned char clear_line(EditLine* editor, int) {
    State& state = of(editor);
    const LineInfo* line = el_line(editor);
    el_cursor(editor, static_cast<int>(line->lastchar - line->cursor));
    el_deletestr(editor, static_cast<int>(line->lastchar - line->buffer));
    state.cleared = true;
    return CC_NEWLINE;
  }

  static unsigned char complete_word(EditLine* editor, int) {
    State& state = of(editor);
    const LineInfo* line = el_line(editor);
    const std::string before(line->buffer, line->cursor);
    const auto found = state.complete(before);
    if (found.empty()) return CC_REFRESH_BEEP;
    const std::string word = before.substr(before.find_last_of(" \t*&(") + 1);
    std::string common = found.front();
    for (const std::string& other : found)
      common.resize(static_cast<size_t>(std::ranges::mismatch(common, other).in1 - common.begin()));
    if (common.size() < word.size()) return CC_REFRESH_BEEP;
    const std::string more = common.substr(word.size()) + (found.size() == 1 ? " " : "");
    if (!more.empty()) {
      el_insertstr(editor, more.c_str());
      return CC_REFRESH;
    }
    show_choices(found);
    return CC_REDISPLAY;
  }

  static void show_choices(const std::vector<std::string>& found) {
    constexpr size_t kColumns = 80, kMost = 100;
    size_t width = 0;
    for (const std::string& name : found) width = std::max(width, name.size() + 2);
    const size_t in_row = std::max<size_t>(1, kColumns / width);
    std::string text = "\n";
    for (size_t i = 0; i < std::min(found.size(), kMost); ++i)
      text += fmt::format("{:<{}}{}", found[i], width, (i + 1) % in_row == 0 ? "\n" : "");
    if (!text.ends_with('\n')) text += '\n';
    if (found.size() > kMost) text += "...\n";
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
};

LineEditor::LineEditor(std::string prompt, std::string history, Complete complete)
    : state_(std::make_unique<State>()) {
  std::setlocale(LC_CTYPE, "");  // libedit reads characters, not bytes
  state_->prompt = std::move(prompt);
  state_->history_path = std::move(history);
  state_->complete = std::move(complete);
  state_->history = history_init();
  HistEvent event;
  ::history(state_->history, &event, H_SETSIZE, kHistoryLines);
  ::history(state_->history, &event, H_SETUNIQUE, 1);
  if (!state_->history_path.empty()) ::history(state_->history, &event, H_LOAD, state_->history_path.c_str());
  EditLine* editor = el_init("mmuscope", stdin, stdout, stderr);
  state_->editor = editor;
  el_set(editor, EL_CLIENTDATA, state_.get());
  el_set(editor, EL_PROMPT, &State::show_prompt);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, ::history, state_->history);
  el_set(editor, EL_ADDFN, "mmuscope-complete", "complete a word", &State::complete_word);
  el_set(editor, EL_ADDFN, "mmuscope-clear", "clear the line", &State::clear_line);
  el_set(editor, EL_BIND, "^I", "mmuscope-complete", nullptr);
  // While a line is edited, ^C is a letter; while the machine runs, it is a signal.
  el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(editor, EL_BIND, "^C", "mmuscope-clear", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(editor, nullptr);
}

LineEditor::~LineEditor() {
  HistEvent event;
  if (!state_->history_path.empty()) ::history(state_->history, &event, H_SAVE, state_->history_path.c_str());
  el_end(state_->editor);
  history_end(state_->history);
}

std::optional<LineEditor::Line> LineEditor::read() {
  state_->cleared = false;
  int count = 0;
  const char* text = el_gets(state_->editor, &count);
  if (state_->cleared) return Line{.text = {}, .cleared = true};
  if (text == nullptr || count <= 0) return {};
  Line line{.text = std::string(trim(std::string_view(text, static_cast<size_t>(count)))), .cleared = false};
  HistEvent event;
  if (!line.text.empty()) ::history(state_->history, &event, H_ENTER, line.text.c_str());
  return line;
}

bool run_lines(Repl& repl, std::istream& lines, const std::string& name, bool stop_at_error) {
  bool good = true;
  size_t number = 0;
  for (std::string line; !repl.quitting() && std::getline(lines, line);) {
    ++number;
    repl.forget_last_line();
    if (repl.execute(line)) continue;
    good = false;
    if (!stop_at_error) continue;
    repl.execute(fmt::format("echo {}:{}: the script ends here", name, number));
    break;
  }
  return good;
}

void run_interactively(Repl& repl, const std::string& history) {
  LineEditor editor(kPrompt, history, [&](std::string_view line) { return repl.complete(line); });
  while (!repl.quitting()) {
    const auto line = editor.read();
    if (!line) {
      repl.execute("echo quit");
      return;
    }
    if (line->cleared) {
      repl.forget_last_line();
      repl.execute("echo ^C");
    } else {
      repl.execute(line->text);
    }
  }
}

}  // namespace mmuscope::debug
