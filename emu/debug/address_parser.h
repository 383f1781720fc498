// SPDX-License-Identifier: GPL-2.0-or-later
//
// Addresses as people write them: 0x1f00, 4096, main, mk::handle_trap+0x10, $rsp-8. A name is looked for
// among functions, then among a program's variables and the kernel's; one without its namespace is enough
// when only one ends in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "debug/kernel_types.h"
#include "trace/symbol_table.h"
#include "x86/cpu_state.h"

namespace mmuscope::debug {

// The symbols of what runs: the kernel's and programs', each added at where it is loaded.
class Symbols {
 public:
  void add(trace::SymbolTable table, uint64_t bias = 0) { tables_.push_back({std::move(table), bias}); }
  // Variables: found by name, never told as the place of an address.
  void add_data(trace::SymbolTable table, uint64_t bias = 0) { data_.push_back({std::move(table), bias}); }
  void clear() {
    tables_.clear();
    data_.clear();
  }

  // "name+0x12", or "" when nothing covers the address.
  std::string describe(uint64_t address) const;
  // What covers the address, at where it is loaded. A size of 0 is not known.
  std::optional<trace::Symbol> at(uint64_t address) const;
  // For completion: the first `most` names that begin so, in alphabetic order.
  std::vector<std::string> starting_with(std::string_view prefix, size_t most) const;
  // kUsage for a name that is not there, or is short for several.
  Expected<uint64_t> find(std::string_view name, const KernelTypes& types) const;

 private:
  struct Loaded {
    trace::SymbolTable table;
    uint64_t bias = 0;  // added to addresses as linked
  };
  std::vector<Loaded> tables_, data_;
};

// Hexadecimal with 0x, or decimal; nothing for all else, and for what does not fit 64 bits.
std::optional<uint64_t> parse_number(std::string_view text);

// Of a general or system register, by its name without the $: rax, r8, rip, rflags, cr3, fs_base, ...
std::optional<uint64_t> register_value(const x86::CpuState& state, std::string_view name);

Expected<uint64_t> parse_address(std::string_view text, const x86::CpuState& state, const Symbols& symbols,
                                 const KernelTypes& types);

}  // namespace mmuscope::debug
