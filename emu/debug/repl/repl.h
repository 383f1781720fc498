// SPDX-License-Identifier: GPL-2.0-or-later
//
// The built-in debugger's interpreter: one line in, text out, with the names and short names that gdb's users
// know. Words that it does not know go to the monitor commands (debug/commands.h). A command may be shortened
// as long as one only is meant; an empty line repeats the last one where that makes sense. It knows nothing
// of terminals: line_editor.h is one front end, scripts and tests are others.
//
// All lines it makes have at most Commands::kColumns columns. `frame` without an argument is the stack frame
// that is looked at; with one it is the monitor command about a physical frame.
#pragma once

#include <map>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "debug/backtrace.h"
#include "debug/commands.h"
#include "debug/inspection_commands.h"
#include "debug/repl/stepper.h"
#include "debug/repl/stops.h"
#include "debug/repl/values.h"
#include "debug/source_lines.h"

namespace mmuscope::debug {

class Repl {
 public:
  // All must outlive it. `inspection` is about `target` and has the symbols; `kernel_elf` is its image.
  Repl(Target& target, Inspection& inspection, Commands& commands, std::span<const uint8_t> kernel_elf,
       std::ostream& out);
  // Lines, call frames and globals of a program that `inspection` has the symbols of. It must stay there.
  void add_program(std::span<const uint8_t> elf, uint64_t bias);

  void add_source_folder(std::string folder) { lines_.add_folder(std::move(folder)); }

  // False when the line could not be done; the reason is told.
  bool execute(std::string_view line);
  void forget_last_line() { last_.clear(); }  // an empty line repeats nothing
  bool quitting() const { return quitting_; }
  void show_position();
  // What the last word of the line may become: whole words.
  std::vector<std::string> complete(std::string_view line) const;
  // Ends what runs. From a signal handler.
  void interrupt() { stepper_.interrupt(); }

 private:
  using Words = std::vector<std::string>;
  using Done = Expected<void>;
  enum class Group : uint8_t { kRunning, kStops, kLooking, kOther };
  struct Entry {
    const char* name;
    const char* aliases;    // words
    const char* arguments;  // for people
    const char* help;
    Group group;
    bool repeats;
    Done (Repl::*act)(const Words&);
  };
  static std::span<const Entry> table();
  static const Entry* find(std::string_view name);
  Expected<const Entry*> resolve(std::string& word) const;  // nullptr: a monitor command, `word` is its name
  Done perform(std::string_view line);
  Done monitor(const std::string& line);
  std::string repetition(const Entry& entry, const std::string& line) const;
  void say(std::string_view text);
  Done usage(std::string_view name) const;

  // repl.cpp
  Done help(const Words&);
  Done quit(const Words&);
  Done echo(const Words&);

  // repl_run.cpp
  Done step(const Words&);
  Done next(const Words&);
  Done stepi(const Words&);
  Done nexti(const Words&);
  Done finish(const Words&);
  Done resume(const Words&);
  Done start(const Words&);
  Done advance(const Words&);
  Done reverse_step(const Words&);
  Done reverse_next(const Words&);
  Done reverse_stepi(const Words&);
  Done reverse_nexti(const Words&);
  Done reverse_finish(const Words&);
  Done reverse_continue(const Words&);
  Done repeat_step(const Words& words, StopReport (Stepper::*move)(unsigned, Stepper::Calls),
                   Stepper::Calls calls, bool by_line);
  Done resume(const Words& words, Direction direction);
  Done leave_frame(const Words& words, Direction direction);
  StopReport run(Direction direction);
  bool unchanged(const StopReport& report);
  void announce(const StopReport& report, bool stepped);
  void announce_watch(const StopReport& report);
  void moved();

  // repl_places.cpp
  struct Place {
    std::vector<uint64_t> addresses;
  };
  Expected<uint64_t> function_address(const std::string& name) const;
  Expected<Place> place(const Words& words) const;
  Done make_breakpoint(const Words& words, bool temporary);
  Done make_watch(const Words& words, bool reads, bool writes);
  Done break_at(const Words&);
  Done tbreak(const Words&);
  Done watch(const Words&);
  Done rwatch(const Words&);
  Done awatch(const Words&);
  Done remove(const Words&);
  Done enable(const Words&);
  Done disable(const Words&);
  Done enable_or_disable(const Words& words, bool enabled);
  Done clear(const Words&);
  std::string stop_list() const;

  // repl_look.cpp
  Done info(const Words&);
  Done info_registers(const Words& words);
  Done info_symbol(const Words& words);
  Done info_line(const Words& words);
  Done info_cpus();
  Done examine(const Words&);
  Done examine_instructions(uint64_t address, uint64_t count);
  Done examine_strings(uint64_t address, uint64_t count);
  Done examine_numbers(uint64_t address, uint64_t count);
  Done print(const Words&);
  Done list(const Words&);
  Done disassemble(const Words&);
  Done backtrace(const Words&);
  Done up(const Words&);
  Done down(const Words&);
  Done frame(const Words&);
  Done select_frame(const Words&);
  Done cpu(const Words&);
  Done directory(const Words&);

  unsigned cpu() const { return inspection_.cpu(); }
  CpuMemory memory() const { return CpuMemory(target_, cpu()); }
  const std::vector<Frame>& frames();
  x86::CpuState frame_state();  // registers of the selected frame, as far as they are known
  std::string describe_place(uint64_t pc, uint64_t lookup) const;  // "main (demo.c:33)"
  std::string function_name(uint64_t address) const;
  void show_source_line(uint64_t pc, uint64_t lookup, bool with_address);
  void show_frame(size_t number);
  std::string instruction_line(const Instruction& instruction, uint64_t pc) const;

  Target& target_;
  Inspection& inspection_;
  Commands& commands_;
  std::ostream& out_;
  Disassembler disassembler_;
  SourceLines lines_;
  Unwinder unwinder_;
  Stops stops_;
  Values values_;
  std::map<std::string, uint64_t, std::less<>> names_;  // of functions, all that they have
  Stepper stepper_;
  bool quitting_ = false;
  std::string last_;            // what an empty line does
  std::vector<Frame> frames_;   // as the machine stands; empty: not looked at yet
  size_t selected_ = 0;         // of them
  std::string shown_function_;  // of the last stop
  uint64_t shown_sp_ = 0;
  unsigned shown_cpu_ = 0;
  uint32_t shown_file_ = 0;     // another one when a call was inlined
  uint64_t next_examined_ = 0;  // by `x` without an address
  std::string examine_format_ = "x";
  unsigned examine_bytes_ = 8;
  uint32_t list_file_ = 0, list_line_ = 0;  // the next lines for `list`; 0: around where the machine stands
  unsigned printed_ = 0;
};

}  // namespace mmuscope::debug
