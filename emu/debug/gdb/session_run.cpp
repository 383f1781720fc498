// SPDX-License-Identifier: GPL-2.0-or-later
//
// The part of Session that lets the machine run, and tells how it stopped.
#include <fmt/format.h>

#include <algorithm>

#include "abi/trace_port.h"
#include "debug/gdb/hex.h"
#include "debug/gdb/replies.h"
#include "debug/gdb/session.h"

namespace mmuscope::debug::gdb {
namespace {

bool take_signal(std::string_view& text) {
  if (text.size() < 2 || !hex_digit(text[0]) || !hex_digit(text[1])) return false;
  text.remove_prefix(2);
  return true;
}

// Of an `r` action: `START,END`.
std::optional<std::pair<uint64_t, uint64_t>> take_range(std::string_view& text) {
  const auto first = take_hex(text);
  if (!first || !take(text, ",")) return std::nullopt;
  const auto end = take_hex(text);
  return end ? std::optional(std::pair(*first, *end)) : std::nullopt;
}

}  // namespace

// `ACTION[:THREAD];...`. The machine is one: it runs, or one CPU steps while the others take their turns. So
// a step of anybody decides; who else may continue, says nothing.
Session::Reply Session::answer_vcont(std::string_view actions) {
  std::optional<unsigned> stepped;
  std::optional<Range> range;
  do {
    if (actions.empty()) return kMalformed;
    const char action = actions[0];
    actions.remove_prefix(1);
    if (std::string_view("csCSr").find(action) == std::string_view::npos) return kMalformed;
    if ((action == 'C' || action == 'S') && !take_signal(actions)) return kMalformed;
    std::optional<std::pair<uint64_t, uint64_t>> given;
    if (action == 'r' && !(given = take_range(actions))) return kMalformed;
    unsigned cpu = general_cpu_;
    if (take(actions, ":")) {
      const auto thread = take_thread(actions);
      if (!thread) return kNoSuchThread;
      if (thread->kind == ThreadId::Kind::kOne) cpu = thread->cpu;
    }
    if (action == 'c' || action == 'C' || stepped) continue;
    stepped = cpu;
    if (given) range = Range{given->first, given->second};
  } while (take(actions, ";"));
  if (!actions.empty()) return kMalformed;
  if (range) return run(Motion::kStepRange, *stepped, *range);
  return stepped ? run(Motion::kStep, *stepped) : run(Motion::kContinue, 0);
}

// `[SIGNAL[;]][ADDRESS]`
Session::Reply Session::answer_resume(std::string_view rest, Motion motion, bool signal) {
  if (signal && !take_signal(rest)) return kMalformed;
  const unsigned cpu = continue_cpu_.value_or(general_cpu_);
  if (!rest.empty()) {
    if (signal && !take(rest, ";")) return kMalformed;
    const auto address = take_hex(rest);
    if (!address || !rest.empty()) return kMalformed;
    x86::CpuState state = target_.state(cpu);
    if (state.rip != *address) {
      state.rip = *address;
      if (const auto done = target_.set_state(cpu, state); !done) return error_text(done.error());
    }
  }
  return run(motion, cpu);
}

Session::Reply Session::run(Motion motion, unsigned cpu, Range range) {
  const bool at_the_end = ended_at_ == target_.icount();
  StopReport report;
  if (link_.take_interrupts()) {
    // It came together with the packet: the machine need not start.
    report.kind = StopReport::Kind::kInterrupted;
    report.cpu = general_cpu_;
  } else {
    transport_.run_watched([&] { report = move(motion, cpu, range); }, [this] { target_.interrupt(); });
  }
  const bool ended = report.kind == StopReport::Kind::kEnded;
  ended_at_ = ended ? std::optional(target_.icount()) : std::nullopt;
  general_cpu_ = std::min(report.cpu, target_.cpu_count() - 1);
  if (ended && at_the_end && motion == Motion::kContinue) {
    const bool exited = report.exit_value && !(*report.exit_value & trace_abi::kExitPanic);
    last_stop_ = exited ? fmt::format("W{:02x}", *report.exit_value & 0xff) : "X06";
  } else {
    last_stop_ = stop_reply(report, motion);
  }
  return last_stop_;
}

// Steps as long as RIP is in the range; at least once.
StopReport Session::step_range(unsigned cpu, Range range) {
  while (true) {
    const bool user = target_.state(cpu).cpl == 3 && !kernel_steps_;
    const StopReport report =
        user ? target_.step_over_kernel(cpu, Direction::kForward) : target_.step(cpu, Direction::kForward);
    if (report.kind != StopReport::Kind::kArrived) return report;
    const uint64_t rip = target_.state(cpu).rip;
    if (rip < range.first || rip >= range.end) return report;
    if (breakpoints_.contains(rip)) {
      StopReport stop = report;
      stop.kind = StopReport::Kind::kBreakpoint;
      return stop;
    }
  }
}

StopReport Session::move(Motion motion, unsigned cpu, Range range) {
  switch (motion) {
    case Motion::kContinue:
      return target_.resume(Direction::kForward);
    case Motion::kStep:
      return target_.step(cpu, Direction::kForward);
    case Motion::kStepRange:
      return step_range(cpu, range);
    case Motion::kContinueBack:
      return target_.resume(Direction::kBackward);
    case Motion::kStepBack:
      if (target_.state(cpu).cpl == 3 && !kernel_steps_)
        return target_.step_over_kernel(cpu, Direction::kBackward);
      return target_.step(cpu, Direction::kBackward);
  }
  return {};
}

// A caught event that ends a step gdb would take, with SIGTRAP, for the end of the step, which may be one of
// its own: over a breakpoint, say. So it is told as SIGUSR1 there.
Session::Reply Session::stop_reply(const StopReport& report, Motion motion) {
  if (!report.text.empty()) print(report.text);
  constexpr unsigned kInterrupt = 2, kTrap = 5, kUser1 = 30;
  const bool steps = motion != Motion::kContinue && motion != Motion::kContinueBack;
  const unsigned signal = report.kind == StopReport::Kind::kInterrupted       ? kInterrupt
                          : report.kind == StopReport::Kind::kCaught && steps ? kUser1
                                                                              : kTrap;
  return fmt::format("T{:02x}thread:{:x};{}", signal, general_cpu_ + 1, stop_reason(report));
}

std::string Session::stop_reason(const StopReport& report) const {
  switch (report.kind) {
    case StopReport::Kind::kBreakpoint:
      return breakpoint_reason(report);
    case StopReport::Kind::kWatchpoint: {
      const Watch& watch = report.watch;
      const char* kind = !watch.reads ? "watch" : watch.writes ? "awatch" : "rwatch";
      // An access may begin below what is watched; gdb takes only an address inside for its watchpoint's.
      const uint64_t last = watch.address + (watch.bytes - 1);
      return fmt::format("{}:{:x};", kind,
                         std::clamp(report.address, watch.address, std::max(watch.address, last)));
    }
    case StopReport::Kind::kEnded:
      return "replaylog:end;";
    case StopReport::Kind::kHistoryStart:
      return "replaylog:begin;";
    case StopReport::Kind::kArrived:
    case StopReport::Kind::kCaught:
    case StopReport::Kind::kInterrupted:
      return {};
  }
  return {};
}

// Only what gdb said it knows, and only for breakpoints that are gdb's.
std::string Session::breakpoint_reason(const StopReport& report) const {
  const auto found = breakpoints_.find(target_.state(general_cpu_).rip);
  if (found == breakpoints_.end() || report.kind != StopReport::Kind::kBreakpoint) return {};
  if (found->second & 1) return client_knows_swbreak_ ? "swbreak:;" : "";
  return client_knows_hwbreak_ ? "hwbreak:;" : "";
}

// On gdb's console. Allowed only while gdb waits for a stop, or for the end of a monitor command.
void Session::print(std::string_view text) {
  std::string line(text);
  if (!line.ends_with('\n')) line += '\n';
  constexpr size_t kChunk = (kPacketSize - 1) / 2;
  for (std::string_view rest = line; !rest.empty(); rest.remove_prefix(std::min(kChunk, rest.size()))) {
    link_.send("O" + to_hex(rest.substr(0, kChunk)));
  }
}

}  // namespace mmuscope::debug::gdb
