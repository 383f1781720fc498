// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/kernel_entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "trace/system_call_names.h"
#include "x86/event_delivery.h"

namespace mmuscope::debug {
namespace {

using x86::Gpr;

// A TrapFrame (trap_frame.h) from its lowest word on, which is pushed last.
constexpr Gpr kSaved[] = {Gpr::kR15, Gpr::kR14, Gpr::kR13, Gpr::kR12, Gpr::kRbp,
                          Gpr::kRbx, Gpr::kR11, Gpr::kR10, Gpr::kR9,  Gpr::kR8,
                          Gpr::kRax, Gpr::kRcx, Gpr::kRdx, Gpr::kRsi, Gpr::kRdi};
constexpr int kWordsBelowRip = 17;  // the registers, vector, error code
constexpr int kSyscallPushesToRip = 5;
constexpr uint64_t kSyscallVector = 256, kPageFault = 14, kFirstInterrupt = 32, kEntryBytes = 16;

enum class Label { kNone, kEntries, kTrap, kReturn, kSyscall };

Label label_of(const std::string& name) {
  if (name == "trap_entries") return Label::kEntries;
  if (name == "trap_entry" || name == "fatal_entry") return Label::kTrap;
  if (name == "return_from_trap") return Label::kReturn;
  return name == "syscall_entry" ? Label::kSyscall : Label::kNone;
}

// As pushed by the processor: SDM vol. 3, table 6-1.
bool has_error_code(uint64_t vector) {
  return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 ||
         vector == 30;
}

std::string name_of(uint64_t vector, std::optional<uint64_t> system_call) {
  if (vector == kSyscallVector)
    return system_call ? fmt::format("<system call {}>", trace::system_call_name(*system_call))
                       : "<system call>";
  if (vector == kPageFault) return "<page fault>";
  if (vector >= kFirstInterrupt) return fmt::format("<interrupt 0x{:x}>", vector);
  return fmt::format("<exception {}>", x86::vector_name(static_cast<uint8_t>(vector)));
}

struct Progress {
  int words = 0;             // pushed and not popped
  bool other_stack = false;  // RSP was loaded
};

// From `begin` up to `pc`, instruction after instruction: there is no branch over a push.
std::optional<Progress> walk(uint64_t begin, uint64_t pc, const CpuMemory& memory,
                             const Disassembler& disassembler) {
  Progress progress;
  for (uint64_t at = begin; at < pc;) {
    const auto instruction = memory.instruction(disassembler, at);
    if (!instruction) return {};
    if (instruction->kind == Instruction::Kind::kPush) ++progress.words;
    if (instruction->text.starts_with("pop ")) --progress.words;
    if (instruction->text.starts_with("add    rsp, 0x10")) progress.words -= 2;
    if (instruction->text.starts_with("mov    rsp, ")) progress.other_stack = !progress.other_stack;
    at = instruction->next();
  }
  return progress;
}

std::optional<Frame> syscall_border(const Frame& frame, const Progress& progress) {
  if (progress.other_stack) return {};  // the user's RSP is in the CPU's scratch
  Frame user = frame;
  user.pc = frame.gpr[static_cast<size_t>(Gpr::kRcx)];
  user.entered_by = "<system call>";
  user.exact = true;
  return user;
}

}  // namespace

bool is_kernel_entry(const Symbols& symbols, uint64_t address) {
  const auto symbol = symbols.at(address);
  return symbol && label_of(symbol->name) != Label::kNone;
}

std::optional<Frame> interrupted_frame(const Frame& frame, const CpuMemory& memory, const Symbols& symbols,
                                       const Disassembler& disassembler) {
  const auto symbol = symbols.at(frame.lookup());
  const Label label = symbol ? label_of(symbol->name) : Label::kNone;
  if (label == Label::kNone) return {};
  uint64_t begin = symbol->address, vector = kSyscallVector;
  int words = 0;  // between RSP and the RIP that was pushed, at the label
  if (label == Label::kEntries) {
    vector = (frame.lookup() - begin) / kEntryBytes;
    begin += vector * kEntryBytes;
    words = has_error_code(vector) ? 1 : 0;
  } else if (label != Label::kSyscall) {
    words = label == Label::kTrap ? 2 : kWordsBelowRip;
  }
  const auto progress = walk(begin, frame.pc, memory, disassembler);
  if (!progress) return {};
  words += progress->words;
  if (label == Label::kSyscall) {
    words -= kSyscallPushesToRip;
    if (words < 0 || !progress->other_stack) return syscall_border(frame, *progress);
  }
  if (words < 0 || words > kWordsBelowRip) return {};

  const auto word = [&](int index) { return memory.word(frame.sp() + 8 * static_cast<uint64_t>(index)); };
  if (label != Label::kEntries && words >= 2) vector = word(words - 2).value_or(vector);
  const auto number = words >= 1 ? word(words - 1) : std::nullopt;
  Frame interrupted = frame;
  interrupted.exact = true;
  interrupted.entered_by = name_of(vector, number);
  const int missing = kWordsBelowRip - words;  // of the frame's lowest words
  for (int i = missing; i < static_cast<int>(std::size(kSaved)); ++i)
    if (const auto value = word(i - missing)) interrupted.gpr[static_cast<size_t>(kSaved[i])] = *value;
  const auto rip = word(words), rsp = word(words + 3);  // RIP, CS, RFLAGS, RSP
  if (!rip || !rsp) return {};
  interrupted.pc = *rip;
  interrupted.gpr[static_cast<size_t>(Gpr::kRsp)] = *rsp;
  return interrupted;
}

}  // namespace mmuscope::debug
