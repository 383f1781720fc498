// SPDX-License-Identifier: GPL-2.0-or-later
//
// The table of commands, and how a line finds its entry.
#include "debug/repl/repl.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "debug/elf_file.h"
#include "debug/words.h"

namespace mmuscope::debug {

std::span<const Repl::Entry> Repl::table() {
  static constexpr Entry kTable[] = {
      {"step", "s", "[COUNT]", "to another source line, into functions", Group::kRunning, true, &Repl::step},
      {"next", "n", "[COUNT]", "to another source line, over calls", Group::kRunning, true, &Repl::next},
      {"stepi", "si", "[COUNT]", "one instruction, into the kernel too", Group::kRunning, true, &Repl::stepi},
      {"nexti", "ni", "[COUNT]", "one instruction, over calls", Group::kRunning, true, &Repl::nexti},
      {"finish", "fin", "", "until the selected frame returns", Group::kRunning, true, &Repl::finish},
      {"continue", "c run r", "[COUNT]", "until something stops the machine", Group::kRunning, true,
       &Repl::resume},
      {"advance", "", "LOCATION", "until a location is reached", Group::kRunning, true, &Repl::advance},
      {"start", "", "", "to the program's main", Group::kRunning, false, &Repl::start},
      {"reverse-step", "rs", "[COUNT]", "back to another line, into functions", Group::kRunning, true,
       &Repl::reverse_step},
      {"reverse-next", "rn", "[COUNT]", "back to another line, over calls", Group::kRunning, true,
       &Repl::reverse_next},
      {"reverse-stepi", "rsi", "[COUNT]", "back one instruction", Group::kRunning, true,
       &Repl::reverse_stepi},
      {"reverse-nexti", "rni", "[COUNT]", "back one instruction, over calls", Group::kRunning, true,
       &Repl::reverse_nexti},
      {"reverse-finish", "", "", "back to the call of the selected frame", Group::kRunning, true,
       &Repl::reverse_finish},
      {"reverse-continue", "rc", "[COUNT]", "back until something stops the machine", Group::kRunning, true,
       &Repl::reverse_continue},
      {"break", "b br brea", "[LOCATION]", "stop at FUNCTION, FILE:LINE, LINE, *ADDRESS; or here",
       Group::kStops, false, &Repl::break_at},
      {"tbreak", "tb", "[LOCATION]", "the same, once", Group::kStops, false, &Repl::tbreak},
      {"watch", "", "EXPRESSION", "stop when a store changes it; -p: a physical address", Group::kStops,
       false, &Repl::watch},
      {"rwatch", "", "EXPRESSION", "stop when it is read", Group::kStops, false, &Repl::rwatch},
      {"awatch", "", "EXPRESSION", "stop when it is read or written", Group::kStops, false, &Repl::awatch},
      {"delete", "d del", "[NUMBER...]", "remove breakpoints and watchpoints, or all", Group::kStops, false,
       &Repl::remove},
      {"clear", "", "[LOCATION]", "remove the breakpoints at a location", Group::kStops, false, &Repl::clear},
      {"enable", "en", "[NUMBER...]", "let them stop again", Group::kStops, false, &Repl::enable},
      {"disable", "dis", "[NUMBER...]", "let them stop no more for now", Group::kStops, false,
       &Repl::disable},
      {"info", "i inf", "WHAT", "registers, breakpoints, cpus, line or symbol", Group::kLooking, false,
       &Repl::info},
      {"x", "", "[/COUNT FORMAT SIZE] [ADDRESS]", "memory; formats x d u o t a c s i, sizes b h w g",
       Group::kLooking, true, &Repl::examine},
      {"print", "p inspect", "[/FORMAT] EXPRESSION", "a global, a register, an address, *(TYPE *)ADDRESS",
       Group::kLooking, false, &Repl::print},
      {"list", "l", "[LOCATION | -]", "source text", Group::kLooking, true, &Repl::list},
      {"directory", "dir", "FOLDER", "where source files are looked for", Group::kLooking, false,
       &Repl::directory},
      {"disassemble", "disas", "[LOCATION]", "the instructions of a function", Group::kLooking, false,
       &Repl::disassemble},
      {"backtrace", "bt where", "[COUNT]", "the calls that led here, over the kernel's border too",
       Group::kLooking, false, &Repl::backtrace},
      {"up", "", "[COUNT]", "select the frame that called this one", Group::kLooking, true, &Repl::up},
      {"down", "", "[COUNT]", "select the frame that this one called", Group::kLooking, true, &Repl::down},
      {"frame", "f", "[PFN]", "the selected stack frame; with PFN, a physical frame", Group::kLooking, false,
       &Repl::frame},
      {"select-frame", "", "NUMBER", "select a frame of the backtrace", Group::kLooking, false,
       &Repl::select_frame},
      {"cpu", "thread", "[NUMBER]", "the CPU that commands are about", Group::kLooking, false, &Repl::cpu},
      {"echo", "", "TEXT", "print it", Group::kOther, false, &Repl::echo},
      {"help", "h", "[COMMAND]", "this list, or one line of it", Group::kOther, false, &Repl::help},
      {"quit", "q exit", "", "end the debugger, and the machine", Group::kOther, false, &Repl::quit},
  };
  return kTable;
}

Repl::Repl(Target& target, Inspection& inspection, Commands& commands, std::span<const uint8_t> kernel_elf,
           std::ostream& out)
    : target_(target),
      inspection_(inspection),
      commands_(commands),
      out_(out),
      disassembler_(inspection.symbols()),
      unwinder_(target, inspection.symbols(), disassembler_),
      stops_(target),
      values_(inspection.symbols(), inspection.types()),
      stepper_({.target = target,
                .symbols = inspection.symbols(),
                .lines = lines_,
                .disassembler = disassembler_,
                .has_breakpoint = [this](uint64_t address) { return stops_.has_breakpoint(address); }}) {
  lines_.add(kernel_elf);
  unwinder_.add(kernel_elf);
}

void Repl::add_program(std::span<const uint8_t> elf, uint64_t bias) {
  lines_.add(elf, bias);
  unwinder_.add(elf, bias);
  values_.add(elf, bias);
  disassembler_.add_code(elf, bias);
  for (const trace::Symbol& symbol : read_all_symbols(elf))
    names_.try_emplace(symbol.name, symbol.address + bias);
}

void Repl::say(std::string_view text) {
  out_ << text;
  if (!text.ends_with('\n')) out_ << '\n';
}

Repl::Done Repl::usage(std::string_view name) const {
  const Entry* entry = find(name);
  return fail(ErrorKind::kUsage, fmt::format("usage: {} {}", name, entry != nullptr ? entry->arguments : ""));
}

const Repl::Entry* Repl::find(std::string_view name) {
  for (const Entry& entry : table()) {
    if (name == entry.name) return &entry;
    for (const std::string& alias : split_words(entry.aliases))
      if (name == alias) return &entry;
  }
  return nullptr;
}

Expected<const Repl::Entry*> Repl::resolve(std::string& word) const {
  if (const Entry* entry = find(word)) return entry;
  if (commands_.has(word)) return nullptr;
  std::set<std::string> meant;
  for (const Entry& entry : table())
    if (std::string_view(entry.name).starts_with(word)) meant.insert(entry.name);
  for (const std::string& name : commands_.names())
    if (name.starts_with(word)) meant.insert(name);
  if (meant.empty()) return fail(ErrorKind::kUsage, fmt::format("there is no command {}: try help", word));
  // `st` is `step`, of which `stepi` is more.
  const std::string& first = *meant.begin();
  if (!std::ranges::all_of(meant, [&](const std::string& name) { return name.starts_with(first); }))
    return fail(ErrorKind::kUsage, fmt::format("{} may be {} or {}", word, first, *meant.rbegin()));
  word = first;
  return find(first);
}

bool Repl::execute(std::string_view given) {
  std::string line(trim(given));
  if (line.starts_with('#')) return true;
  if (line.empty()) line = last_;
  if (line.empty()) return true;
  last_.clear();
  stepper_.clear_interrupt();
  const Done done = perform(line);
  if (!done) say(done.error().message);
  out_.flush();
  return done.has_value();
}

Repl::Done Repl::perform(std::string_view given) {
  std::string line(given);
  // gdb's users write x/4x and p/x without a blank.
  const size_t end = std::min(line.find_first_of(" \t/"), line.size());
  std::string word = line.substr(0, end);
  std::string rest(trim(std::string_view(line).substr(end)));
  const auto entry = resolve(word);
  if (!entry) return std::unexpected(entry.error());
  if (*entry == nullptr) return monitor(rest.empty() ? word : fmt::format("{} {}", word, rest));
  const Done done = ((*this).*((*entry)->act))(split_words(rest));
  if ((*entry)->repeats) last_ = repetition(**entry, line);
  return done;
}

std::string Repl::repetition(const Entry& entry, const std::string& line) const {
  const std::string_view name = entry.name;
  if (name == "x" || name == "list") return std::string(name);  // they go on where they ended
  return line;
}

Repl::Done Repl::monitor(const std::string& line) {
  const uint64_t before = target_.icount();
  const auto text = commands_.try_run(line);
  if (!text) return std::unexpected(text.error());
  if (!text->empty()) say(*text);
  if (target_.icount() == before) return {};
  inspection_.select_cpu({});
  moved();
  show_position();
  return {};
}

Repl::Done Repl::help(const Words& words) {
  if (words.size() > 1) return usage("help");
  if (words.size() == 1) {
    std::string word = words[0];
    const auto entry = resolve(word);
    if (!entry) return std::unexpected(entry.error());
    if (*entry == nullptr) return monitor(fmt::format("help {}", word));
    const std::string aliases = (*entry)->aliases;
    say(fmt::format("{} {}{}: {}", (*entry)->name, (*entry)->arguments,
                    aliases.empty() ? "" : fmt::format(" (short: {})", aliases), (*entry)->help));
    return {};
  }
  static constexpr const char* kTitles[] = {"running", "stopping", "looking", "other"};
  for (size_t group = 0; group < std::size(kTitles); ++group) {
    say(fmt::format("{}:", kTitles[group]));
    for (const Entry& entry : table()) {
      if (entry.group != static_cast<Group>(group)) continue;
      const std::vector<std::string> aliases = split_words(entry.aliases);
      const std::string names =
          aliases.empty() ? entry.name : fmt::format("{}, {}", entry.name, aliases.front());
      say(fmt::format("  {:<22}{:<32}{}", names, entry.arguments, entry.help));
    }
  }
  say("of the machine (all take --json):");
  const auto text = commands_.try_run("help");
  if (!text) return std::unexpected(text.error());
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) say(fmt::format("  {}", line));
  return {};
}

Repl::Done Repl::quit(const Words&) {
  quitting_ = true;
  return {};
}

Repl::Done Repl::echo(const Words& words) {
  say(join_words(words));
  return {};
}

std::vector<std::string> Repl::complete(std::string_view line) const {
  constexpr size_t kMost = 200;
  const size_t start = line.find_last_of(" \t*&(") + 1;  // 0 when there is none
  const std::string_view word = line.substr(start);
  std::set<std::string> found;
  if (trim(line.substr(0, start)).empty()) {
    for (const Entry& entry : table())
      if (std::string_view(entry.name).starts_with(word)) found.insert(entry.name);
    for (std::string& name : commands_.names())
      if (name.starts_with(word)) found.insert(std::move(name));
  } else if (const auto words = split_words(line.substr(0, start));
             words.front() == "info" || words.front() == "i") {
    for (const char* topic : {"registers", "breakpoints", "cpus", "line", "symbol"})
      if (std::string_view(topic).starts_with(word)) found.insert(topic);
  } else if (!word.empty()) {
    for (std::string& name : inspection_.symbols().starting_with(word, kMost)) found.insert(std::move(name));
    for (auto at = names_.lower_bound(word); at != names_.end() && at->first.starts_with(word); ++at)
      if (found.size() < kMost) found.insert(at->first);
    for (std::string& name : values_.starting_with(word, kMost)) found.insert(std::move(name));
  }
  return {found.begin(), found.end()};
}

}  // namespace mmuscope::debug
