// SPDX-License-Identifier: GPL-2.0-or-later
//
// Steps as people think of them: lines, whole calls, out of a function; forward and backward. Made of single
// instructions and of breakpoints that are there only while they are needed.
//
// A program's steps never stop in the kernel: a fault, an interrupt or a system call in between is run
// through (to the instruction after it, or to the same one again), unless a breakpoint of the user's is met
// inside. Calls are told by the return address on the stack, returns to it by the stack pointer, so recursion
// is no trouble. Going backward, a line step ends where a forward one would have: at the first instruction of
// a statement that came from another line.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "debug/backtrace.h"
#include "debug/disassembler.h"
#include "debug/source_lines.h"
#include "debug/target.h"

namespace mmuscope::debug {

class Stepper {
 public:
  // All are used, not owned.
  struct Around {
    Target& target;
    const Symbols& symbols;
    const SourceLines& lines;
    const Disassembler& disassembler;
    std::function<bool(uint64_t)> has_breakpoint;  // of the user's
  };
  explicit Stepper(Around around) : around_(std::move(around)), target_(around_.target) {}

  enum class Calls : uint8_t { kInto, kOver };

  StopReport step_instruction(unsigned cpu, Calls calls);
  StopReport step_line(unsigned cpu, Calls calls);
  StopReport step_instruction_back(unsigned cpu, Calls calls);
  StopReport step_line_back(unsigned cpu, Calls calls);
  // To where the frame `inner` returns to, which is `outer`; backward, to the call that made it.
  StopReport finish(unsigned cpu, const Frame& outer);
  StopReport finish_back(unsigned cpu, const Frame& outer);
  // From here on until one of `places` is reached, without looking at what `condition` refuses.
  using Condition = std::function<bool(const x86::CpuState&)>;
  StopReport run_until(unsigned cpu, Direction direction, const std::vector<uint64_t>& places,
                       const Condition& condition);

  // Ends a step that is made of many; from a signal handler.
  void interrupt() {
    interrupted_ = true;
    target_.interrupt();
  }
  void clear_interrupt() { interrupted_ = false; }
  bool interrupted() const { return interrupted_; }

 private:
  // What one instruction did, seen from the code it is part of.
  struct Step {
    StopReport report;
    x86::CpuState before, after;
    std::optional<Instruction> instruction;  // that was executed, or taken back
    bool went_through_kernel = false;
    bool arrived() const { return report.kind == StopReport::Kind::kArrived; }
    // The last instruction was left for a caller's frame.
    bool returned() const;
    bool called(const CpuMemory& memory) const;
  };
  Step forward(unsigned cpu);
  Step backward(unsigned cpu);
  StopReport through_kernel(unsigned cpu, const x86::CpuState& before,
                            const std::optional<Instruction>& instruction);
  StopReport back_through_kernel(unsigned cpu, const x86::CpuState& after);
  bool entered_kernel(const x86::CpuState& before, const x86::CpuState& after) const;
  // Into or over the function that `step` has just called; nothing: stepping goes on.
  std::optional<StopReport> enter_or_skip(unsigned cpu, Step& step, Calls calls);
  bool line_is_done(const SourceLines::Row* from, const std::optional<trace::Symbol>& function,
                    const Step& step) const;
  bool is_stop_place(uint64_t address) const;
  bool is_function_start(uint64_t address) const;
  StopReport arrived(unsigned cpu) const;
  StopReport interruption(unsigned cpu) const;

  Around around_;
  Target& target_;
  std::atomic<bool> interrupted_ = false;
};

}  // namespace mmuscope::debug
