// SPDX-License-Identifier: GPL-2.0-or-later
//
// Steps forward, and what both directions share.
#include "debug/repl/stepper.h"

#include <algorithm>

#include "debug/kernel_entry.h"

namespace mmuscope::debug {
namespace {

using Kind = StopReport::Kind;
using x86::CpuState;
using x86::Gpr;

uint64_t sp_of(const CpuState& state) { return state.reg(Gpr::kRsp); }

// Breakpoints for a while. Those that the user has are left alone.
class TemporaryBreakpoints {
 public:
  TemporaryBreakpoints(Target& target, const std::vector<uint64_t>& places,
                       const std::function<bool(uint64_t)>& has_breakpoint)
      : target_(target) {
    for (const uint64_t place : places)
      if (!has_breakpoint(place)) added_.push_back(place);
    for (const uint64_t place : added_) target_.add_breakpoint(place);
  }
  ~TemporaryBreakpoints() {
    for (const uint64_t place : added_) target_.remove_breakpoint(place);
  }
  TemporaryBreakpoints(const TemporaryBreakpoints&) = delete;
  TemporaryBreakpoints& operator=(const TemporaryBreakpoints&) = delete;

 private:
  Target& target_;
  std::vector<uint64_t> added_;
};

}  // namespace

StopReport Stepper::arrived(unsigned cpu) const {
  StopReport report;
  report.cpu = cpu;
  if (around_.has_breakpoint(target_.state(cpu).rip)) report.kind = Kind::kBreakpoint;
  return report;
}

StopReport Stepper::interruption(unsigned cpu) const {
  StopReport report;
  report.kind = Kind::kInterrupted;
  report.cpu = cpu;
  return report;
}

StopReport Stepper::run_until(unsigned cpu, Direction direction, const std::vector<uint64_t>& places,
                              const Condition& condition) {
  const TemporaryBreakpoints temporary(target_, places, around_.has_breakpoint);
  while (!interrupted_) {
    const StopReport report = target_.resume(direction);
    if (report.kind != Kind::kBreakpoint) return report;
    const CpuState state = target_.state(report.cpu);
    if (around_.has_breakpoint(state.rip)) return report;
    if (report.cpu == cpu && std::ranges::count(places, state.rip) > 0 && condition(state))
      return arrived(cpu);
  }
  return interruption(cpu);
}

bool Stepper::Step::returned() const {
  if (!instruction) return false;
  if (instruction->kind == Instruction::Kind::kReturn) return sp_of(after) > sp_of(before);
  return instruction->kind == Instruction::Kind::kTrapReturn && after.rip != instruction->next();
}

bool Stepper::Step::called(const CpuMemory& memory) const {
  return instruction && instruction->kind == Instruction::Kind::kCall && sp_of(after) + 8 == sp_of(before) &&
         memory.word(sp_of(after)) == instruction->next();
}

bool Stepper::entered_kernel(const CpuState& before, const CpuState& after) const {
  if (before.cpl == 3) return after.cpl == 0;
  return is_kernel_entry(around_.symbols, after.rip) && !is_kernel_entry(around_.symbols, before.rip) &&
         sp_of(after) < sp_of(before) - 8;  // a fault of the kernel's own; a call pushes less
}

// Where the program goes on: at the same instruction, at the next one, or where its signal handler returns
// to.
StopReport Stepper::through_kernel(unsigned cpu, const CpuState& before,
                                   const std::optional<Instruction>& instruction) {
  constexpr uint64_t kSigreturn = 15, kSavedRip = 168;  // struct ucontext: uc_mcontext.gregs[REG_RIP]
  std::vector<uint64_t> places = {before.rip};
  if (instruction) places.push_back(instruction->next());
  if (instruction && instruction->kind == Instruction::Kind::kSyscall && before.reg(Gpr::kRax) == kSigreturn)
    if (const auto rip = CpuMemory(target_, cpu).word(sp_of(before) + kSavedRip)) places = {*rip};
  return run_until(cpu, Direction::kForward, places, [&](const CpuState& state) {
    return state.cpl == before.cpl && (before.cpl == 3 || sp_of(state) >= sp_of(before));
  });
}

Stepper::Step Stepper::forward(unsigned cpu) {
  Step step;
  step.before = target_.state(cpu);
  step.instruction = CpuMemory(target_, cpu).instruction(around_.disassembler, step.before.rip);
  step.report = interrupted_ ? interruption(cpu) : target_.step(cpu, Direction::kForward);
  step.after = target_.state(cpu);
  if (step.arrived() && entered_kernel(step.before, step.after)) {
    step.went_through_kernel = true;
    step.report = through_kernel(cpu, step.before, step.instruction);
    step.after = target_.state(cpu);
  }
  return step;
}

StopReport Stepper::step_instruction(unsigned cpu, Calls calls) {
  if (calls == Calls::kInto) {
    const StopReport report = target_.step(cpu, Direction::kForward);
    return report.kind == Kind::kArrived ? arrived(cpu) : report;
  }
  Step step = forward(cpu);
  // After a fault the instruction is still to be done.
  while (step.arrived() && step.went_through_kernel && step.after.rip == step.before.rip) step = forward(cpu);
  if (!step.arrived() || !step.called(CpuMemory(target_, cpu)))
    return step.arrived() ? arrived(cpu) : step.report;
  return enter_or_skip(cpu, step, Calls::kOver).value_or(arrived(cpu));
}

std::optional<StopReport> Stepper::enter_or_skip(unsigned cpu, Step& step, Calls calls) {
  const uint64_t callee = step.after.rip, inside = sp_of(step.after);
  if (around_.has_breakpoint(callee)) return arrived(cpu);
  if (calls == Calls::kInto && around_.lines.find(callee) != nullptr) {
    const auto symbol = around_.symbols.at(callee);
    const uint64_t body = symbol ? around_.lines.after_prologue(callee, callee + symbol->size) : callee;
    if (body == callee) return arrived(cpu);
    return run_until(cpu, Direction::kForward, {body},
                     [&](const CpuState& now) { return sp_of(now) <= inside; });
  }
  const auto back = CpuMemory(target_, cpu).word(inside);
  if (!back) return arrived(cpu);
  step.report =
      run_until(cpu, Direction::kForward, {*back}, [&](const CpuState& now) { return sp_of(now) > inside; });
  step.after = target_.state(cpu);
  step.instruction.reset();
  if (!step.arrived()) return step.report;
  return {};
}

bool Stepper::is_function_start(uint64_t address) const {
  const auto symbol = around_.symbols.at(address);
  return symbol && symbol->address == address;
}

bool Stepper::line_is_done(const SourceLines::Row* from, const std::optional<trace::Symbol>& function,
                           const Step& step) const {
  const SourceLines::Row* row = around_.lines.find(step.after.rip);
  if (step.returned()) return true;
  if (from == nullptr) {  // no line information: until the function is left
    const auto now = around_.symbols.at(step.after.rip);
    return row != nullptr || !now || !function || now->address != function->address;
  }
  return row != nullptr && around_.lines.statement_at(step.after.rip) != nullptr && !row->same_line(*from);
}

StopReport Stepper::step_line(unsigned cpu, Calls calls) {
  const CpuState start = target_.state(cpu);
  const SourceLines::Row* from = around_.lines.find(start.rip);
  const auto function = around_.symbols.at(start.rip);
  const CpuMemory memory(target_, cpu);
  for (;;) {
    Step step = forward(cpu);
    if (!step.arrived()) return step.report;
    // Into a function without lines, by a call or by a jump at the end of another: over it.
    const bool lineless = from != nullptr && around_.lines.find(step.after.rip) == nullptr &&
                          is_function_start(step.after.rip) && !step.returned();
    if (step.called(memory) || lineless)
      if (const auto stop = enter_or_skip(cpu, step, calls)) return *stop;
    if (line_is_done(from, function, step)) return arrived(cpu);
    if (around_.has_breakpoint(step.after.rip) && !step.went_through_kernel) return arrived(cpu);
  }
}

StopReport Stepper::finish(unsigned cpu, const Frame& outer) {
  return run_until(cpu, Direction::kForward, {outer.pc},
                   [&](const CpuState& state) { return sp_of(state) >= outer.sp(); });
}

}  // namespace mmuscope::debug
