// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/symbol_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace mmuscope::trace {

SymbolTable::SymbolTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)) {
  std::sort(symbols_.begin(), symbols_.end(), [](const Symbol& a, const Symbol& b) {
    return std::tie(a.address, b.size, a.name) < std::tie(b.address, a.size, b.name);
  });
  const auto same = [](const Symbol& a, const Symbol& b) { return a.address == b.address; };
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end(), same), symbols_.end());
}

const Symbol* SymbolTable::find(uint64_t address) const {
  auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                [](uint64_t value, const Symbol& symbol) { return value < symbol.address; });
  if (after == symbols_.begin()) return nullptr;
  const Symbol& symbol = *std::prev(after);
  // Labels of assembly have no size. The last one does not reach to the end of the world.
  constexpr uint64_t kUnsizedReach = 4096;
  const uint64_t size = symbol.size != 0 ? symbol.size : kUnsizedReach;
  return address - symbol.address < size ? &symbol : nullptr;
}

const Symbol* SymbolTable::find(const std::string& name) const {
  const auto found =
      std::find_if(symbols_.begin(), symbols_.end(), [&](const Symbol& s) { return s.name == name; });
  return found == symbols_.end() ? nullptr : &*found;
}

std::string SymbolTable::describe(uint64_t address) const {
  const Symbol* symbol = find(address);
  if (symbol == nullptr) return {};
  if (symbol->address == address) return symbol->name;
  return fmt::format("{}+0x{:x}", symbol->name, address - symbol->address);
}

bool SymbolTable::encode(std::vector<uint8_t>& bytes) const {
  uint64_t name_bytes = 0;
  for (const Symbol& symbol : symbols_) name_bytes += symbol.name.size();
  if (name_bytes > kMostNameBytes) return false;
  ByteWriter writer(bytes);
  writer.number(symbols_.size());
  uint64_t address = 0;
  std::string_view before;
  for (const Symbol& symbol : symbols_) {
    writer.number(symbol.address - address);
    writer.number(symbol.size);
    const auto differs = std::mismatch(before.begin(), before.end(), symbol.name.begin(), symbol.name.end());
    const size_t shared = static_cast<size_t>(differs.first - before.begin());
    writer.number(shared);
    writer.number(symbol.name.size() - shared);
    writer.text(symbol.name.data() + shared, symbol.name.size() - shared);
    address = symbol.address;
    before = symbol.name;
  }
  return true;
}

bool SymbolTable::decode(ByteReader& reader, SymbolTable& table) {
  uint64_t count = 0, name_bytes = 0;
  reader.number(count);
  if (count > reader.left()) reader.fail();  // every symbol takes bytes
  table.symbols_.clear();
  uint64_t address = 0;
  std::string name;
  for (; count > 0 && reader.ok(); --count) {
    Symbol symbol;
    uint64_t distance = 0, shared = 0, rest = 0;
    reader.number(distance);
    reader.number(symbol.size);
    reader.number(shared);
    reader.number(rest);
    symbol.address = address + distance;
    const bool in_order = table.symbols_.empty() || symbol.address > address;
    if (!in_order || shared > name.size() || rest > reader.left()) reader.fail();
    name_bytes += shared + rest;
    if (name_bytes > kMostNameBytes) reader.fail();
    if (!reader.ok()) break;
    name.resize(shared + rest);
    reader.text(name.data() + shared, rest);
    symbol.name = name;
    address = symbol.address;
    table.symbols_.push_back(std::move(symbol));
  }
  return reader.ok();
}

}  // namespace mmuscope::trace
