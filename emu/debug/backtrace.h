// SPDX-License-Identifier: GPL-2.0-or-later
//
// The calls that led to where a CPU stands. A frame's caller comes from, in this order: the call frame
// information of its image (DWARF 5, 6.4; .eh_frame or .debug_frame, read by libdw), which leads over the
// kernel's border, too (kernel_entry.h); the first instructions of a function; the call
// instruction whose return address is on the stack and that calls this very function; a frame pointer.
// The last two are guesses, for libraries that tell nothing about their frames (musl).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "debug/address_parser.h"
#include "debug/disassembler.h"
#include "debug/target.h"

namespace mmuscope::debug {

struct Frame {
  std::array<uint64_t, 16> gpr{};  // by x86::Gpr; those that calls may change are what they were in frame 0
  uint64_t pc = 0;
  bool exact = true;  // pc is the next instruction; otherwise it follows a call, and may be the next line's
  std::string
      entered_by;  // "<page fault>" when this frame was interrupted, and the one before is the kernel's
  uint64_t sp() const { return gpr[static_cast<size_t>(x86::Gpr::kRsp)]; }
  uint64_t lookup() const { return exact ? pc : pc - 1; }  // where its line is looked for
};

// Memory as a CPU sees it.
class CpuMemory {
 public:
  CpuMemory(Target& target, unsigned cpu) : target_(target), cpu_(cpu) {}
  std::optional<uint64_t> word(uint64_t address, size_t bytes = 8) const;
  std::vector<uint8_t> bytes(uint64_t address, size_t most) const;  // as many as there are
  // The instruction at `address`.
  std::optional<Instruction> instruction(const Disassembler& disassembler, uint64_t address) const;
  // Where a call instruction may begin that returns to `address`. More than one only by chance.
  std::vector<uint64_t> calls_before(const Disassembler& disassembler, uint64_t address) const;

 private:
  Target& target_;
  unsigned cpu_;
};

class Unwinder {
 public:
  static constexpr size_t kMostFrames = 256;

  // All are used, not owned.
  Unwinder(Target& target, const Symbols& symbols, const Disassembler& disassembler);
  ~Unwinder();
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;

  // `elf` must stay where it is.
  void add(std::span<const uint8_t> elf, uint64_t bias = 0);

  // The first is where the CPU stands.
  std::vector<Frame> frames(unsigned cpu, size_t most = kMostFrames) const;

 private:
  struct Image;
  std::optional<Frame> caller(const Frame& frame, const CpuMemory& memory) const;
  std::optional<Frame> by_first_instructions(const Frame& frame, const CpuMemory& memory) const;
  std::optional<Frame> by_call_on_stack(const Frame& frame, const CpuMemory& memory) const;
  std::optional<Frame> by_frame_pointer(const Frame& frame, const CpuMemory& memory) const;

  Target& target_;
  const Symbols& symbols_;
  const Disassembler& disassembler_;
  std::vector<std::unique_ptr<Image>> images_;
};

}  // namespace mmuscope::debug
