// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Repl that lets the machine run, and tells how it stopped.
#include <fmt/format.h>

#include <limits>

#include "debug/inspection_text.h"
#include "debug/repl/repl.h"
#include "debug/words.h"

namespace mmuscope::debug {
namespace {

using Kind = StopReport::Kind;

// [COUNT]
std::optional<uint64_t> count_of(const std::vector<std::string>& words) {
  if (words.empty()) return 1;
  const auto number = words.size() == 1 ? parse_number(words[0]) : std::nullopt;
  return number && *number > 0 ? number : std::nullopt;
}

}  // namespace

Repl::Done Repl::step(const Words& words) {
  return repeat_step(words, &Stepper::step_line, Stepper::Calls::kInto, true);
}
Repl::Done Repl::next(const Words& words) {
  return repeat_step(words, &Stepper::step_line, Stepper::Calls::kOver, true);
}
Repl::Done Repl::stepi(const Words& words) {
  return repeat_step(words, &Stepper::step_instruction, Stepper::Calls::kInto, false);
}
Repl::Done Repl::nexti(const Words& words) {
  return repeat_step(words, &Stepper::step_instruction, Stepper::Calls::kOver, false);
}
Repl::Done Repl::reverse_step(const Words& words) {
  return repeat_step(words, &Stepper::step_line_back, Stepper::Calls::kInto, true);
}
Repl::Done Repl::reverse_next(const Words& words) {
  return repeat_step(words, &Stepper::step_line_back, Stepper::Calls::kOver, true);
}
Repl::Done Repl::reverse_stepi(const Words& words) {
  return repeat_step(words, &Stepper::step_instruction_back, Stepper::Calls::kInto, false);
}
Repl::Done Repl::reverse_nexti(const Words& words) {
  return repeat_step(words, &Stepper::step_instruction_back, Stepper::Calls::kOver, false);
}
Repl::Done Repl::finish(const Words& words) { return leave_frame(words, Direction::kForward); }
Repl::Done Repl::reverse_finish(const Words& words) { return leave_frame(words, Direction::kBackward); }
Repl::Done Repl::resume(const Words& words) { return resume(words, Direction::kForward); }
Repl::Done Repl::reverse_continue(const Words& words) { return resume(words, Direction::kBackward); }

Repl::Done Repl::repeat_step(const Words& words, StopReport (Stepper::*move)(unsigned, Stepper::Calls),
                             Stepper::Calls calls, bool by_line) {
  const auto count = count_of(words);
  if (!count) return fail(ErrorKind::kUsage, "what may be given here is a number of steps");
  const unsigned stepped = cpu();
  const uint64_t rip = target_.state(stepped).rip;
  if (by_line && lines_.find(rip) == nullptr) {
    const std::string function = function_name(rip);
    if (function.empty())
      return fail(ErrorKind::kUsage,
                  fmt::format("no function is known at {:#x}: stepi goes by instructions", rip));
    say(fmt::format("Single stepping until exit from function {}, which has no line number information.",
                    function));
  }
  out_.flush();
  StopReport report;
  for (uint64_t done = 0; done < *count && report.kind == Kind::kArrived; ++done) {
    report = (stepper_.*move)(stepped, calls);
    if (stepper_.interrupted() && report.kind == Kind::kArrived) report.kind = Kind::kInterrupted;
  }
  announce(report, true);
  return {};
}

Repl::Done Repl::leave_frame(const Words& words, Direction direction) {
  if (!words.empty())
    return fail(ErrorKind::kUsage, "nothing may be given here: select a frame with up and down");
  if (frames().size() <= selected_ + 1)
    return fail(ErrorKind::kUsage, "the selected frame is the outermost one that is known");
  const Frame inner = frames()[selected_], outer = frames()[selected_ + 1];
  const bool forward = direction == Direction::kForward;
  say(fmt::format("Run {} #{}  {}", forward ? "till exit from" : "back to call of", selected_,
                  describe_place(inner.pc, inner.lookup())));
  out_.flush();
  const unsigned of = cpu();
  const StopReport report = forward ? stepper_.finish(of, outer) : stepper_.finish_back(of, outer);
  announce(report, false);
  const bool returned = report.kind == Kind::kArrived && forward && outer.entered_by.empty();
  if (returned) {
    const uint64_t rax = target_.state(of).reg(x86::Gpr::kRax);
    say(fmt::format("rax = {} ({:#x})", static_cast<int64_t>(rax), rax));
  }
  return {};
}

bool Repl::unchanged(const StopReport& report) {
  if (report.kind != Kind::kWatchpoint || report.watch.reads) return false;
  for (const auto& [number, stop] : stops_.all())
    if (stop.enabled && stop.watch == report.watch) return stops_.read(report.watch) == stop.value;
  return false;
}

// As gdb has it, a store of what is there already does not stop a watchpoint.
StopReport Repl::run(Direction direction) {
  StopReport report;
  do report = target_.resume(direction);
  while (unchanged(report) && !stepper_.interrupted());
  if (unchanged(report)) report.kind = Kind::kInterrupted;
  return report;
}

Repl::Done Repl::resume(const Words& words, Direction direction) {
  const auto count = count_of(words);
  if (!count) return fail(ErrorKind::kUsage, "what may be given here is how many stops to go on to");
  say("Continuing.");
  out_.flush();
  StopReport report;
  for (uint64_t done = 0; done < *count; ++done) {
    report = run(direction);
    if (report.kind != Kind::kBreakpoint && report.kind != Kind::kWatchpoint && report.kind != Kind::kCaught)
      break;
    if (done + 1 == *count) break;
    if (report.kind == Kind::kBreakpoint) stops_.hit_breakpoint(target_.state(report.cpu).rip);
    stops_.refresh();
  }
  announce(report, false);
  return {};
}

Repl::Done Repl::start(const Words& words) {
  if (!words.empty()) return usage("start");
  const auto main = place({"main"});
  if (!main) return std::unexpected(main.error());
  stops_.add_breakpoint("main", main->addresses, true);
  out_.flush();
  announce(run(Direction::kForward), false);
  return {};
}

Repl::Done Repl::advance(const Words& words) {
  if (words.empty()) return usage("advance");
  const auto to = place(words);
  if (!to) return std::unexpected(to.error());
  out_.flush();
  announce(stepper_.run_until(cpu(), Direction::kForward, to->addresses,
                              [](const x86::CpuState&) { return true; }),
           false);
  return {};
}

void Repl::moved() {
  frames_.clear();
  selected_ = 0;
  list_line_ = 0;
  stops_.refresh();
}

void Repl::announce_watch(const StopReport& report) {
  const auto before = stops_.hit_watch(report.watch);
  if (!before) return say("Watchpoint");
  const Watch& watch = report.watch;
  const char* kind = !watch.reads ? "Watchpoint" : watch.writes ? "Access watchpoint" : "Read watchpoint";
  const auto text = [&](const std::vector<uint8_t>& bytes) {
    return bytes.size() < watch.bytes ? "<not there>" : values_.show_bytes(bytes, before->type, 0);
  };
  const auto now = stops_.find(before->number);
  say(fmt::format("{} {}: {}", kind, before->number, before->what));
  if (now == nullptr || now->value == before->value)
    return say(fmt::format("Value = {}", text(before->value)));
  say(fmt::format("Old value = {}", text(before->value)));
  say(fmt::format("New value = {}", text(now->value)));
}

// `stepped`: in the same function only the source line is shown.
void Repl::announce(const StopReport& report, bool stepped) {
  inspection_.select_cpu(report.cpu < target_.cpu_count() ? std::optional(report.cpu) : std::nullopt);
  if (cpu() != shown_cpu_) say(fmt::format("[switching to CPU {}]", cpu()));
  shown_cpu_ = cpu();
  const std::string last_function = shown_function_;
  const uint64_t last_sp = shown_sp_;
  std::string prefix;
  switch (report.kind) {
    case Kind::kArrived:
      break;
    case Kind::kBreakpoint:
      if (const auto stop = stops_.hit_breakpoint(target_.state(cpu()).rip))
        prefix =
            fmt::format("{} {}, ", stop->temporary ? "Temporary breakpoint" : "Breakpoint", stop->number);
      break;
    case Kind::kWatchpoint:
      announce_watch(report);
      break;
    case Kind::kCaught:
      say(wrap(report.text, 2));
      break;
    case Kind::kInterrupted:
      say(report.text.empty() ? "Interrupted." : report.text);
      break;
    case Kind::kEnded:
      moved();
      shown_function_.clear();
      return say(wrap(report.text.empty() ? "The machine ended." : report.text, 2));
    case Kind::kHistoryStart:
      say("No more reverse-execution history.");
      break;
  }
  moved();
  const uint64_t rip = target_.state(cpu()).rip;
  shown_function_ = function_name(rip);
  shown_sp_ = frames().size() > 1 ? frames()[1].sp() : 0;
  const SourceLines::Row* row = lines_.find(rip);
  const bool same = stepped && report.kind == Kind::kArrived && shown_function_ == last_function &&
                    shown_sp_ == last_sp && row != nullptr && row->file == shown_file_;
  if (row != nullptr) shown_file_ = row->file;
  if (!same) say(prefix + describe_place(rip, rip));
  show_source_line(rip, rip, same);
}

void Repl::show_position() {
  shown_cpu_ = cpu();
  const uint64_t rip = target_.state(cpu()).rip;
  shown_function_ = function_name(rip);
  say(describe_place(rip, rip));
  show_source_line(rip, rip, false);
}

}  // namespace mmuscope::debug
