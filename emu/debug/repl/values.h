// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `print`, `x` and `watch` are given: addresses as address_parser.h has them, globals of the kernel and
// of programs with what their debug information says of them ("counter", "table[3]", "mk::state.count"), and
// *ADDRESS, *(TYPE *)ADDRESS. And memory as text, in gdb's formats. Left out: locals, arithmetic beyond
// + and -, pointers that are followed inside an expression.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "debug/address_parser.h"
#include "debug/backtrace.h"
#include "debug/kernel_types.h"

namespace mmuscope::debug {

// Either in memory, or a number that was computed.
struct Value {
  std::optional<uint64_t> address;
  KernelType type;
  uint64_t number = 0;  // without an address
};

// Pages come when they are used.
inline std::string not_there(uint64_t address) {
  return fmt::format("cannot read memory at {:#x}: no page is there now (why {:#x} tells more)", address,
                     address);
}

class Values {
 public:
  // All are used, not owned.
  Values(const Symbols& symbols, const KernelTypes& kernel) : symbols_(symbols), kernel_(kernel) {}
  void add(std::span<const uint8_t> elf, uint64_t bias);  // a program's globals

  Expected<Value> evaluate(std::string_view text, const x86::CpuState& state) const;
  // As `print` shows it; `format` is one of gdb's letters, or 0.
  Expected<std::string> show(const Value& value, char format, const CpuMemory& memory) const;
  std::string show_bytes(std::span<const uint8_t> bytes, const KernelType& type, char format) const;

  // One number of 1 to 8 bytes by one of gdb's letters: x d u o t a c z.
  std::string number(uint64_t value, size_t bytes, char format) const;
  std::vector<std::string> starting_with(std::string_view prefix, size_t most) const;

 private:
  struct Program {
    KernelTypes types;
    uint64_t bias;
  };
  std::optional<Value> variable(std::string_view text) const;
  static std::optional<Value> part_of(const KernelTypes& types, uint64_t bias, std::string_view text);

  const Symbols& symbols_;
  const KernelTypes& kernel_;
  std::vector<Program> programs_;
};

}  // namespace mmuscope::debug
