// SPDX-License-Identifier: GPL-2.0-or-later
//
// The function symbols of one executable: addresses as linked, sorted, one name an address. What
// debug/symbols reads from an ELF file and what a trace carries along, so that it can be read where the
// program is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trace/varint.h"

namespace mmuscope::trace {

struct Symbol {
  uint64_t address = 0;
  uint64_t size = 0;  // 0: up to the next symbol, and no further than a page
  std::string name;
  bool operator==(const Symbol&) const = default;
};

class SymbolTable {
 public:
  // Names of a table that is read: a few bytes can stand for many, and must not for any number.
  static constexpr uint64_t kMostNameBytes = 64 << 20;

  SymbolTable() = default;
  // In any order; of several at one address the largest stays, then the first by name.
  explicit SymbolTable(std::vector<Symbol> symbols);

  bool empty() const { return symbols_.empty(); }
  const std::vector<Symbol>& symbols() const { return symbols_; }

  // The symbol that `address` lies in, or nullptr.
  const Symbol* find(uint64_t address) const;
  const Symbol* find(const std::string& name) const;
  // "name+0x12", "name" at its first byte, "" when no symbol covers the address.
  std::string describe(uint64_t address) const;

  // Differences of addresses, names as what differs from the name before. False, and nothing written, when
  // decode() would refuse it.
  bool encode(std::vector<uint8_t>& bytes) const;
  static bool decode(ByteReader& reader, SymbolTable& table);

  bool operator==(const SymbolTable&) const = default;

 private:
  std::vector<Symbol> symbols_;
};

}  // namespace mmuscope::trace
