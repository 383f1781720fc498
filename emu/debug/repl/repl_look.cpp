// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Repl that shows: frames, source, instructions, memory, registers.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "debug/repl/repl.h"
#include "debug/words.h"

namespace mmuscope::debug {
namespace {

std::string cut(std::string line) {
  if (line.size() > Commands::kColumns) line.resize(Commands::kColumns);
  return line;
}

std::string source_line(uint32_t number, const std::string& text) {
  std::string spaced;  // tabs as the terminal has them, so that columns can be counted
  for (const char letter : text) {
    if (letter == '\t') {
      spaced.append(8 - spaced.size() % 8, ' ');
    } else {
      spaced += letter;
    }
  }
  return cut(fmt::format("{:<7} {}", number, spaced));
}

}  // namespace

const std::vector<Frame>& Repl::frames() {
  if (frames_.empty()) frames_ = unwinder_.frames(cpu());
  return frames_;
}

x86::CpuState Repl::frame_state() {
  x86::CpuState state = target_.state(cpu());
  if (selected_ == 0 || selected_ >= frames().size()) return state;
  state.gpr = frames_[selected_].gpr;
  state.rip = frames_[selected_].pc;
  return state;
}

std::string Repl::function_name(uint64_t address) const {
  const auto symbol = inspection_.symbols().at(address);
  return symbol ? symbol->name : "";
}

std::string Repl::describe_place(uint64_t pc, uint64_t lookup) const {
  const std::string line = lines_.describe(lookup), function = function_name(lookup);
  const std::string where = inspection_.symbols().describe(pc);
  if (line.empty()) return cut(fmt::format("{:#018x} in {}", pc, where.empty() ? "??" : where));
  const std::string named = fmt::format("{} ({})", function.empty() ? "??" : function, line);
  return cut(pc == lookup && lines_.statement_at(pc) != nullptr ? named
                                                                : fmt::format("{:#018x} in {}", pc, named));
}

std::string Repl::instruction_line(const Instruction& instruction, uint64_t pc) const {
  const auto symbol = inspection_.symbols().at(instruction.address);
  const std::string offset = symbol ? fmt::format(" <+{}>", instruction.address - symbol->address) : "";
  return cut(fmt::format("{} {:#x}{}:  {}", instruction.address == pc ? "=>" : "  ", instruction.address,
                         offset, instruction.text));
}

// With `with_address`, as gdb: where a line is not at its beginning.
void Repl::show_source_line(uint64_t pc, uint64_t lookup, bool with_address) {
  const SourceLines::Row* row = lines_.find(lookup);
  if (row == nullptr) {
    const auto instruction = memory().instruction(disassembler_, pc);
    return say(instruction ? instruction_line(*instruction, pc)
                           : "=> the memory there cannot be read, or is no code");
  }
  const bool inside = with_address && lines_.statement_at(pc) == nullptr;
  const auto text = lines_.text(row->file, row->line);
  const std::string line = text ? source_line(row->line, *text)
                                : fmt::format("{:<7} in {}", row->line, lines_.short_name(row->file));
  say(inside ? cut(fmt::format("{:#018x} {}", pc, line)) : line);
}

void Repl::show_frame(size_t number) {
  const Frame& frame = frames()[number];
  say(cut(fmt::format("#{:<3} {}", number, describe_place(frame.pc, frame.lookup()))));
}

Repl::Done Repl::backtrace(const Words& words) {
  const auto most = words.empty() ? std::optional<uint64_t>(Unwinder::kMostFrames) : parse_number(words[0]);
  if (!most || words.size() > 1) return usage("backtrace");
  const size_t count = std::min<size_t>(*most, frames().size());
  for (size_t number = 0; number < count; ++number) {
    if (!frames()[number].entered_by.empty()) say("     " + frames()[number].entered_by);
    show_frame(number);
  }
  if (count < frames().size()) say("(More stack frames follow...)");
  return {};
}

Repl::Done Repl::select_frame(const Words& words) {
  const auto number = words.size() == 1 ? parse_number(words[0]) : std::nullopt;
  if (!number) return usage("select-frame");
  if (*number >= frames().size())
    return fail(ErrorKind::kUsage,
                fmt::format("there is no frame {}: the last is {}", *number, frames().size() - 1));
  selected_ = *number;
  list_line_ = 0;
  return frame({});
}

Repl::Done Repl::up(const Words& words) {
  const auto count = words.empty() ? std::optional<uint64_t>(1) : parse_number(words[0]);
  if (!count) return usage("up");
  if (selected_ + 1 >= frames().size()) return fail(ErrorKind::kUsage, "the outermost frame is selected");
  return select_frame({std::to_string(std::min(selected_ + *count, frames().size() - 1))});
}

Repl::Done Repl::down(const Words& words) {
  const auto count = words.empty() ? std::optional<uint64_t>(1) : parse_number(words[0]);
  if (!count) return usage("down");
  if (selected_ == 0) return fail(ErrorKind::kUsage, "the innermost frame is selected");
  return select_frame({std::to_string(selected_ - std::min<uint64_t>(selected_, *count))});
}

Repl::Done Repl::frame(const Words& words) {
  if (!words.empty()) return monitor("frame " + join_words(words));
  const Frame& selected = frames()[std::min(selected_, frames().size() - 1)];
  show_frame(selected_);
  show_source_line(selected.pc, selected.lookup(), false);
  return {};
}

Repl::Done Repl::cpu(const Words& words) {
  if (words.size() > 1) return usage("cpu");
  if (!words.empty()) {
    const auto number = parse_number(words[0]);
    if (!number || *number >= target_.cpu_count())
      return fail(ErrorKind::kUsage,
                  fmt::format("there is no CPU {}: there are {}", words[0], target_.cpu_count()));
    inspection_.select_cpu(static_cast<unsigned>(*number));
    moved();
  }
  say(fmt::format("[CPU {}]", cpu()));
  show_position();
  return {};
}

Repl::Done Repl::directory(const Words& words) {
  if (words.size() != 1) return usage("directory");
  lines_.add_folder(words[0]);
  return {};
}

Repl::Done Repl::list(const Words& words) {
  constexpr uint32_t kLines = 10;
  uint32_t first = 0;
  if (!words.empty() && words[0] == "-") {
    if (list_line_ <= 2 * kLines + 1 && list_line_ <= kLines + 1)
      return fail(ErrorKind::kUsage, "this is the beginning");
    first = list_line_ > 2 * kLines ? list_line_ - 2 * kLines : 1;
  } else if (words.empty() && list_line_ != 0) {
    first = list_line_;
  } else {
    const auto number = words.size() == 1 ? parse_number(words[0]) : std::nullopt;
    uint64_t at = frames()[std::min(selected_, frames().size() - 1)].lookup();
    if (!words.empty() && !(number && list_line_ != 0)) {
      const auto found = place(words);
      if (!found) return std::unexpected(found.error());
      at = found->addresses[0];
    }
    const SourceLines::Row* row = lines_.find(at);
    if (row == nullptr && list_line_ == 0)
      return fail(ErrorKind::kUsage, fmt::format("no source line is known at {:#x}", at));
    if (row != nullptr) list_file_ = row->file;
    const uint64_t line = number ? *number : row != nullptr ? row->line : 1;
    first =
        line > kLines / 2 ? static_cast<uint32_t>(std::min<uint64_t>(line - kLines / 2, UINT32_MAX / 2)) : 1;
  }
  const uint32_t count = lines_.line_count(list_file_);
  if (count == 0)
    return fail(ErrorKind::kUsage, fmt::format("{} is not here", lines_.short_name(list_file_)));
  if (first > count) return fail(ErrorKind::kUsage, fmt::format("the file has {} lines", count));
  list_line_ = std::min(first + kLines, count + 1);
  for (uint32_t line = first; line < list_line_; ++line)
    say(source_line(line, *lines_.text(list_file_, line)));
  return {};
}

Repl::Done Repl::disassemble(const Words& words) {
  constexpr uint64_t kUnsized = 64, kMost = 1 << 16;
  const auto at = place(words);
  if (!at) return std::unexpected(at.error());
  const uint64_t pc = target_.state(cpu()).rip;
  const auto symbol = inspection_.symbols().at(at->addresses[0]);
  const uint64_t begin = symbol ? symbol->address : at->addresses[0];
  const uint64_t size = symbol && symbol->size != 0 ? std::min(symbol->size, kMost) : kUnsized;
  if (symbol) say(fmt::format("{}:", symbol->name));
  for (uint64_t address = begin; address < begin + size;) {
    const auto instruction = memory().instruction(disassembler_, address);
    if (!instruction)
      return fail(ErrorKind::kUsage, fmt::format("cannot read an instruction at {:#x}", address));
    say(instruction_line(*instruction, pc));
    address = instruction->next();
  }
  return {};
}

}  // namespace mmuscope::debug
