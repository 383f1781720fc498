// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Repl that shows memory, values and what `info` tells.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "debug/repl/repl.h"
#include "debug/words.h"

namespace mmuscope::debug {
namespace {

constexpr std::string_view kFormats = "xduotaczsi";

struct ExamineFormat {
  uint64_t count = 1;
  char letter = 0, size = 0;
};

// "/4xg" without the slash; nothing for what is no format.
std::optional<ExamineFormat> parse_format(std::string_view text) {
  ExamineFormat format;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits > 0) {
    const auto count = parse_number(text.substr(0, digits));
    if (!count || *count == 0 || *count > 100000) return {};
    format.count = *count;
  }
  for (const char letter : text.substr(digits)) {
    if (std::string_view("bhwg").find(letter) != std::string_view::npos) {
      format.size = letter;
    } else if (kFormats.find(letter) != std::string_view::npos) {
      format.letter = letter;
    } else {
      return {};
    }
  }
  return format;
}

constexpr std::string_view kGeneral[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8",
                                         "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags"};
constexpr std::string_view kSystem[] = {"fs_base", "gs_base", "kernel_gs_base", "cr0", "cr2", "cr3",
                                        "cr4",     "efer"};

}  // namespace

Repl::Done Repl::examine(const Words& given) {
  Words words = given;
  ExamineFormat format;
  if (!words.empty() && words[0].starts_with('/')) {
    const auto parsed = parse_format(std::string_view(words[0]).substr(1));
    if (!parsed) return usage("x");
    format = *parsed;
    words.erase(words.begin());
  }
  if (format.letter != 0) examine_format_ = std::string(1, format.letter);
  if (format.size != 0)
    examine_bytes_ = format.size == 'b' ? 1 : format.size == 'h' ? 2 : format.size == 'w' ? 4 : 8;
  const char letter = examine_format_[0];
  if (format.letter == 'a') examine_bytes_ = 8;
  if (format.letter == 'c' && format.size == 0) examine_bytes_ = 1;
  uint64_t address = next_examined_;
  if (!words.empty()) {
    const auto value = values_.evaluate(join_words(words), frame_state());
    if (!value) return std::unexpected(value.error());
    address = value->address.value_or(value->number);
  }
  if (letter == 'i') return examine_instructions(address, format.count);
  if (letter == 's') return examine_strings(address, format.count);
  return examine_numbers(address, format.count);
}

Repl::Done Repl::examine_strings(uint64_t address, uint64_t count) {
  constexpr size_t kLongest = 200, kShown = 80;
  for (uint64_t i = 0; i < count; ++i) {
    const auto bytes = memory().bytes(address, kLongest);
    if (bytes.empty()) return fail(ErrorKind::kUsage, not_there(address));
    const size_t length = static_cast<size_t>(std::ranges::find(bytes, 0) - bytes.begin());
    std::string text;
    for (size_t at = 0; at < length && text.size() < kShown; ++at) {
      const char byte = static_cast<char>(bytes[at]);
      text += byte >= ' ' && byte <= '~' ? std::string(1, byte) : fmt::format("\\{:03o}", bytes[at]);
    }
    say(fmt::format("{}:  \"{}\"{}", values_.number(address, 8, 'a'), text,
                    length > text.size() ? "..." : ""));
    address = next_examined_ = address + length + (length < bytes.size() ? 1 : 0);
  }
  return {};
}

Repl::Done Repl::examine_numbers(uint64_t address, uint64_t count) {
  const char letter = examine_format_[0];
  const size_t in_line = examine_bytes_ == 8 ? 2 : examine_bytes_ == 4 ? 4 : 8;
  for (uint64_t done = 0; done < count;) {
    std::string line = values_.number(address, 8, 'a') + ":";
    for (size_t column = 0; column < in_line && done < count; ++column, ++done) {
      const auto word = memory().word(address, examine_bytes_);
      if (!word) {
        if (column > 0) say(line);
        return fail(ErrorKind::kUsage, not_there(address));
      }
      line += "  " + values_.number(*word, examine_bytes_, letter == 'x' ? 'z' : letter);
      address = next_examined_ = address + examine_bytes_;
    }
    say(line);
  }
  return {};
}

Repl::Done Repl::examine_instructions(uint64_t address, uint64_t count) {
  const uint64_t pc = target_.state(cpu()).rip;
  for (uint64_t i = 0; i < count; ++i) {
    const auto instruction = memory().instruction(disassembler_, address);
    if (!instruction)
      return fail(ErrorKind::kUsage, fmt::format("cannot read an instruction at {:#x}", address));
    say(instruction_line(*instruction, pc));
    address = next_examined_ = instruction->next();
  }
  return {};
}

Repl::Done Repl::print(const Words& given) {
  Words words = given;
  char format = 0;
  if (!words.empty() && words[0].starts_with('/')) {
    if (words[0].size() != 2 || kFormats.find(words[0][1]) == std::string_view::npos) return usage("print");
    format = words[0][1];
    words.erase(words.begin());
  }
  if (words.empty()) return usage("print");
  const auto value = values_.evaluate(join_words(words), frame_state());
  if (!value) return std::unexpected(value.error());
  const auto text = values_.show(*value, format, memory());
  if (!text) return std::unexpected(text.error());
  say(fmt::format("${} = {}", ++printed_, *text));
  return {};
}

Repl::Done Repl::info(const Words& words) {
  static constexpr std::pair<std::string_view, int> kTopics[] = {
      {"registers", 0}, {"breakpoints", 1}, {"watchpoints", 1}, {"cpus", 2},         {"threads", 2},
      {"line", 3},      {"symbol", 4},      {"frame", 5},       {"all-registers", 6}};
  if (words.empty()) return usage("info");
  int topic = words[0] == "b" ? 1 : words[0] == "s" ? 7 : -1;
  for (const auto& [name, number] : kTopics)
    if (topic < 0 && name.starts_with(words[0])) topic = number;
  const Words rest(words.begin() + 1, words.end());
  switch (topic) {
    case 0:
      return info_registers(rest);
    case 1:
      say(stops_.all().empty() ? "No breakpoints or watchpoints." : stop_list());
      return commands_.has("catch") ? monitor("catch") : Done{};
    case 2:
      return info_cpus();
    case 3:
      return info_line(rest);
    case 4:
      return info_symbol(rest);
    case 5:
      return frame({});
    case 6:
      return info_registers({"all"});
    case 7:
      return backtrace({});
    default:
      return usage("info");
  }
}

Repl::Done Repl::info_registers(const Words& words) {
  const x86::CpuState state = frame_state();
  const auto show = [&](std::string_view name) {
    const auto value = register_value(state, name);
    if (!value) return false;
    const bool code = name == "rip" || name == "pc";
    say(fmt::format("{:<15} {:<#19x} {}", name, *value,
                    code ? inspection_.symbols().describe(*value) : values_.number(*value, 8, 'd')));
    return true;
  };
  const bool all = words.size() == 1 && (words[0] == "all" || words[0] == "system");
  if (words.empty() || all)
    for (const std::string_view name : kGeneral) show(name);
  if (all)
    for (const std::string_view name : kSystem) show(name);
  if (words.empty() || all) {
    static constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    for (size_t i = 0; i < std::size(kSegments); ++i)
      say(fmt::format("{:<15} {:<#19x} {}", kSegments[i], state.segments[i].selector,
                      state.segments[i].selector));
    return {};
  }
  for (const std::string& word : words)
    if (!show(word.starts_with('$') ? std::string_view(word).substr(1) : std::string_view(word)))
      return fail(ErrorKind::kUsage, fmt::format("no register is called {}", word));
  return {};
}

Repl::Done Repl::info_symbol(const Words& words) {
  if (words.empty()) return fail(ErrorKind::kUsage, "usage: info symbol ADDRESS");
  const auto value = values_.evaluate(join_words(words), frame_state());
  if (!value) return std::unexpected(value.error());
  const std::string symbol = inspection_.symbols().describe(value->address.value_or(value->number));
  say(symbol.empty() ? "No symbol matches " + join_words(words) + "." : symbol);
  return {};
}

Repl::Done Repl::info_line(const Words& words) {
  const auto at = place(words);
  if (!at) return std::unexpected(at.error());
  for (const uint64_t address : at->addresses) {
    const std::string line = lines_.describe(address);
    say(fmt::format("{:#x} <{}> is {}", address, inspection_.symbols().describe(address),
                    line.empty() ? "of no known line" : line));
  }
  return {};
}

Repl::Done Repl::info_cpus() {
  for (unsigned number = 0; number < target_.cpu_count(); ++number) {
    const x86::CpuState state = target_.state(number);
    say(fmt::format("{} CPU {:<3} CPL {}{}  {}", number == cpu() ? '*' : ' ', number, state.cpl,
                    state.halted ? " halted" : "", describe_place(state.rip, state.rip)));
  }
  return {};
}

}  // namespace mmuscope::debug
