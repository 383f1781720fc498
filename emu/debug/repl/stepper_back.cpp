// SPDX-License-Identifier: GPL-2.0-or-later
//
// Steps backward.
#include "debug/repl/stepper.h"

namespace mmuscope::debug {
namespace {

using Kind = StopReport::Kind;
using x86::CpuState;
using x86::Gpr;

constexpr uint64_t kSyscallBytes = 2;

uint64_t sp_of(const CpuState& state) { return state.reg(Gpr::kRsp); }

}  // namespace

// To the instruction of the program's that led into the kernel: the same one, which faulted, or a system call
// in front of it, or, at the start of a signal handler, the one whose place the signal frame tells.
StopReport Stepper::back_through_kernel(unsigned cpu, const CpuState& after) {
  constexpr uint64_t kSavedRip = 8 + 168;  // above the return address: uc_mcontext.gregs[REG_RIP]
  const CpuMemory memory(target_, cpu);
  std::vector<uint64_t> places = {after.rip};
  const auto add_call = [&](uint64_t next) {
    const auto before = memory.instruction(around_.disassembler, next - kSyscallBytes);
    if (before && before->kind == Instruction::Kind::kSyscall) places.push_back(before->address);
  };
  add_call(after.rip);
  if (const auto handled = memory.word(sp_of(after) + kSavedRip); handled && is_function_start(after.rip)) {
    places.push_back(*handled);
    add_call(*handled);
  }
  return run_until(cpu, Direction::kBackward, places, [&](const CpuState& state) {
    return state.cpl == after.cpl && (after.cpl == 3 || sp_of(state) == sp_of(after));
  });
}

// `before` is the state that the step came from, the later one.
Stepper::Step Stepper::backward(unsigned cpu) {
  Step step;
  step.before = target_.state(cpu);
  step.report = interrupted_ ? interruption(cpu) : target_.step(cpu, Direction::kBackward);
  step.after = target_.state(cpu);
  const auto look = [&] {
    step.after = target_.state(cpu);
    step.instruction = CpuMemory(target_, cpu).instruction(around_.disassembler, step.after.rip);
  };
  look();
  const bool from_kernel = step.before.cpl == 3 && step.after.cpl == 0;
  const bool from_trap = step.before.cpl == 0 && step.instruction && step.after.cpl == 0 &&
                         step.instruction->kind == Instruction::Kind::kTrapReturn;
  if (step.arrived() && (from_kernel || from_trap)) {
    step.went_through_kernel = true;
    step.report = back_through_kernel(cpu, step.before);
    look();
  }
  return step;
}

StopReport Stepper::step_instruction_back(unsigned cpu, Calls calls) {
  if (calls == Calls::kInto) {
    const StopReport report = target_.step(cpu, Direction::kBackward);
    return report.kind == Kind::kArrived ? arrived(cpu) : report;
  }
  const uint64_t start = target_.state(cpu).rip;
  Step step = backward(cpu);
  while (step.arrived() && step.went_through_kernel && step.after.rip == start) step = backward(cpu);
  if (!step.arrived()) return step.report;
  if (step.instruction && step.instruction->kind == Instruction::Kind::kReturn && !step.went_through_kernel) {
    Frame caller;
    caller.pc = step.before.rip;
    caller.gpr = step.before.gpr;
    return finish_back(cpu, caller);
  }
  return arrived(cpu);
}

// In front of the arguments' places a debugger does not stop.
bool Stepper::is_stop_place(uint64_t address) const {
  if (around_.lines.statement_at(address) == nullptr) return false;
  const auto symbol = around_.symbols.at(address);
  if (!symbol) return true;
  return address >= around_.lines.after_prologue(symbol->address, symbol->address + symbol->size);
}

StopReport Stepper::step_line_back(unsigned cpu, Calls calls) {
  const uint64_t start = target_.icount();
  const bool lineless = around_.lines.find(target_.state(cpu).rip) == nullptr;
  uint64_t here = start;
  bool candidate = false;  // `here` is a place to stop if what comes before it is another line
  for (;;) {
    Step step = backward(cpu);
    if (!step.arrived()) return step.report;
    const bool over_return = step.instruction && step.instruction->kind == Instruction::Kind::kReturn &&
                             !step.went_through_kernel && step.after.cpl == step.before.cpl;
    const bool inside = over_return && calls == Calls::kInto && around_.lines.find(step.after.rip) != nullptr;
    if (over_return && !inside) {
      Frame caller;
      caller.pc = step.before.rip;
      caller.gpr = step.before.gpr;
      const StopReport report = finish_back(cpu, caller);
      if (report.kind != Kind::kArrived) return report;
      step.after = target_.state(cpu);
    }
    const SourceLines::Row* now = around_.lines.find(step.after.rip);
    const SourceLines::Row* later = around_.lines.find(step.before.rip);
    const bool out = !over_return && !step.went_through_kernel && is_function_start(step.before.rip);
    const bool left = inside || out || (now != nullptr && later != nullptr && !now->same_line(*later));
    if ((candidate && left) || (out && now == nullptr && here != start && (later != nullptr || lineless))) {
      const StopReport report = target_.go_to(here);
      return report.kind == Kind::kArrived ? arrived(cpu) : report;
    }
    if (around_.has_breakpoint(step.after.rip)) return arrived(cpu);
    here = target_.icount();
    candidate = is_stop_place(step.after.rip);
  }
}

StopReport Stepper::finish_back(unsigned cpu, const Frame& outer) {
  const CpuMemory memory(target_, cpu);
  std::vector<uint64_t> places = memory.calls_before(around_.disassembler, outer.pc);
  if (outer.exact) {  // interrupted, not called
    const auto call = memory.instruction(around_.disassembler, outer.pc - kSyscallBytes);
    if (call && call->kind == Instruction::Kind::kSyscall) places.push_back(call->address);
    if (!outer.entered_by.empty()) places.push_back(outer.pc);
  }
  if (places.empty()) {
    StopReport report = interruption(cpu);
    report.text = "there is no call in front of the return address";
    return report;
  }
  return run_until(cpu, Direction::kBackward, places,
                   [&](const CpuState& state) { return sp_of(state) == outer.sp(); });
}

}  // namespace mmuscope::debug
