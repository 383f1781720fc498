// SPDX-License-Identifier: GPL-2.0-or-later
//
// Instructions for people, by Capstone, in Intel's notation, with the names of what they call, jump to and
// address by RIP; and the little that stepping has to know of them. 64-bit code only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "debug/address_parser.h"

struct cs_insn;  // Capstone's

namespace mmuscope::debug {

struct Instruction {
  enum class Kind : uint8_t { kOther, kCall, kReturn, kTrapReturn, kSyscall, kPush };
  uint64_t address = 0;
  uint64_t size = 0;
  Kind kind = Kind::kOther;
  std::optional<uint64_t> target;  // of a direct call or jump
  std::string text;                // "call 0x401136 <main>"
  uint64_t next() const { return address + size; }
};

class Disassembler {
 public:
  static constexpr size_t kLongest = 15;  // bytes of an instruction

  explicit Disassembler(const Symbols& symbols);
  ~Disassembler();
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;

  // The first instruction in `bytes`, which stand at `address`; nothing when they are none, or cut off.
  std::optional<Instruction> decode(std::span<const uint8_t> bytes, uint64_t address) const;

  // Code of a program, which must stay there: a page of it that nobody has executed is not in memory yet.
  void add_code(std::span<const uint8_t> elf, uint64_t bias);
  std::span<const uint8_t> code_at(uint64_t address) const;

 private:
  std::string operands(const ::cs_insn& raw) const;

  struct Code {
    uint64_t begin;
    std::span<const uint8_t> bytes;
  };

  const Symbols& symbols_;
  std::vector<Code> code_;
  size_t handle_ = 0;  // a csh; 0: Capstone refuses, then nothing can be decoded
};

}  // namespace mmuscope::debug
