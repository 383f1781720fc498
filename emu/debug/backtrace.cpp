// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/backtrace.h"

#include <algorithm>
#include <cstring>

#include "debug/call_frames.h"
#include "debug/kernel_entry.h"

namespace mmuscope::debug {
namespace {

using x86::Gpr;

constexpr size_t kRsp = static_cast<size_t>(Gpr::kRsp), kRbp = static_cast<size_t>(Gpr::kRbp);

// The caller when its return address stands at `slot`.
std::optional<Frame> returned_to(const Frame& frame, const CpuMemory& memory, uint64_t slot) {
  const auto pc = memory.word(slot);
  if (!pc || *pc == 0 || !memory.word(*pc - 1, 1)) return {};  // who called is in memory
  Frame caller = frame;
  caller.entered_by.clear();
  caller.exact = false;
  caller.pc = *pc;
  caller.gpr[kRsp] = slot + 8;
  return caller;
}

}  // namespace

std::optional<uint64_t> CpuMemory::word(uint64_t address, size_t bytes) const {
  uint64_t value = 0;
  std::array<uint8_t, 8> raw{};
  if (bytes > raw.size() || target_.read(cpu_, address, std::span(raw).first(bytes)) != bytes) return {};
  std::memcpy(&value, raw.data(), bytes);
  return value;
}

std::vector<uint8_t> CpuMemory::bytes(uint64_t address, size_t most) const {
  std::vector<uint8_t> read(most);
  read.resize(target_.read(cpu_, address, read));
  return read;
}

std::optional<Instruction> CpuMemory::instruction(const Disassembler& disassembler, uint64_t address) const {
  const auto there = bytes(address, Disassembler::kLongest);
  if (auto found = disassembler.decode(there, address)) return found;
  if (there.size() == Disassembler::kLongest) return {};
  const auto code = disassembler.code_at(address);
  return disassembler.decode(code.first(std::min(code.size(), Disassembler::kLongest)), address);
}

std::vector<uint64_t> CpuMemory::calls_before(const Disassembler& disassembler, uint64_t address) const {
  constexpr uint64_t kShortestCall = 2, kLongestCall = 8;
  std::vector<uint64_t> found;
  for (uint64_t length = kShortestCall; length <= kLongestCall; ++length) {
    const auto call = instruction(disassembler, address - length);
    if (call && call->kind == Instruction::Kind::kCall && call->size == length)
      found.push_back(address - length);
  }
  return found;
}

struct Unwinder::Image {
  Image(std::span<const uint8_t> elf, uint64_t bias) : frames(elf, bias) {}
  CallFrames frames;
};

Unwinder::Unwinder(Target& target, const Symbols& symbols, const Disassembler& disassembler)
    : target_(target), symbols_(symbols), disassembler_(disassembler) {}
Unwinder::~Unwinder() = default;

void Unwinder::add(std::span<const uint8_t> elf, uint64_t bias) {
  images_.push_back(std::make_unique<Image>(elf, bias));
}

std::vector<Frame> Unwinder::frames(unsigned cpu, size_t most) const {
  const x86::CpuState state = target_.state(cpu);
  const CpuMemory memory(target_, cpu);
  std::vector<Frame> found(1);
  found[0].gpr = state.gpr;
  found[0].pc = state.rip;
  while (found.size() < most) {
    auto next = caller(found.back(), memory);
    if (!next || next->pc == 0) break;
    // A stack grows down; only over the kernel's border is the next one another.
    if (next->entered_by.empty() && next->exact == false && next->sp() <= found.back().sp()) break;
    found.push_back(std::move(*next));
  }
  return found;
}

std::optional<Frame> Unwinder::caller(const Frame& frame, const CpuMemory& memory) const {
  for (const auto& image : images_) {
    auto answer = image->frames.caller(frame, memory);
    if (!answer) continue;
    if (answer->caller && is_kernel_entry(symbols_, frame.lookup()))
      answer->caller->entered_by = kernel_entered_by(frame, answer->cfa, memory, symbols_);
    return answer->caller;
  }
  if (auto found = by_first_instructions(frame, memory)) return found;
  if (auto found = by_call_on_stack(frame, memory)) return found;
  return by_frame_pointer(frame, memory);
}

// Before `mov %rsp, %rbp`, with or without ENDBR64 in front.
std::optional<Frame> Unwinder::by_first_instructions(const Frame& frame, const CpuMemory& memory) const {
  const auto symbol = symbols_.at(frame.lookup());
  if (!symbol || !frame.exact) return {};
  uint64_t begin = symbol->address;
  const auto first = memory.instruction(disassembler_, begin);
  if (frame.pc == begin) return returned_to(frame, memory, frame.sp());
  if (first && first->text.starts_with("endbr64")) begin = first->next();
  if (frame.pc == begin) return returned_to(frame, memory, frame.sp());
  const auto push = memory.instruction(disassembler_, begin);
  if (!push || push->kind != Instruction::Kind::kPush || frame.pc != push->next()) return {};
  return returned_to(frame, memory, frame.sp() + 8);
}

// Functions that keep no frame pointer: the next return address on the stack that follows a direct call of
// this function.
std::optional<Frame> Unwinder::by_call_on_stack(const Frame& frame, const CpuMemory& memory) const {
  constexpr size_t kSlots = 512;
  const auto symbol = symbols_.at(frame.lookup());
  if (!symbol) return {};
  const auto head = memory.bytes(symbol->address, 8);
  constexpr uint8_t kPushRbp = 0x55, kMovRbp[] = {0x48, 0x89, 0xe5};
  const bool keeps =
      head.size() == 8 && head[0] == kPushRbp && std::equal(kMovRbp, kMovRbp + 3, head.begin() + 1);
  if (keeps) return {};
  const auto stack = memory.bytes(frame.sp(), kSlots * 8);
  for (size_t at = 0; at + 8 <= stack.size(); at += 8) {
    uint64_t value;
    std::memcpy(&value, &stack[at], sizeof value);
    if (!symbols_.at(value - 1)) continue;
    const auto call = memory.instruction(disassembler_, value - 5);
    if (call && call->size == 5 && call->kind == Instruction::Kind::kCall && call->target == symbol->address)
      return returned_to(frame, memory, frame.sp() + at);
  }
  return {};
}

std::optional<Frame> Unwinder::by_frame_pointer(const Frame& frame, const CpuMemory& memory) const {
  constexpr uint64_t kLargest = 1 << 20;
  const uint64_t pointer = frame.gpr[kRbp];
  if (pointer < frame.sp() || pointer - frame.sp() > kLargest || pointer % 8 != 0) return {};
  const auto saved = memory.word(pointer);
  auto caller = returned_to(frame, memory, pointer + 8);
  if (!saved || !caller || !symbols_.at(caller->pc - 1)) return {};
  caller->gpr[kRbp] = *saved;
  return caller;
}

}  // namespace mmuscope::debug
