// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/address_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace mmuscope::debug {
namespace {

using x86::CpuState;
using x86::SegmentName;

constexpr std::string_view kGprNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

struct SystemRegister {
  std::string_view name;
  uint64_t (*value)(const CpuState&);
};
constexpr SystemRegister kSystemRegisters[] = {
    {"rip", [](const CpuState& s) { return s.rip; }},
    {"pc", [](const CpuState& s) { return s.rip; }},
    {"sp", [](const CpuState& s) { return s.reg(x86::Gpr::kRsp); }},
    {"rflags", [](const CpuState& s) { return s.rflags; }},
    {"cr0", [](const CpuState& s) { return s.cr0; }},
    {"cr2", [](const CpuState& s) { return s.cr2; }},
    {"cr3", [](const CpuState& s) { return s.cr3; }},
    {"cr4", [](const CpuState& s) { return s.cr4; }},
    {"efer", [](const CpuState& s) { return s.efer; }},
    {"fs_base", [](const CpuState& s) { return s.segment(SegmentName::kFs).base; }},
    {"gs_base", [](const CpuState& s) { return s.segment(SegmentName::kGs).base; }},
    {"kernel_gs_base", [](const CpuState& s) { return s.kernel_gs_base; }},
};

// `name` is all of `whole`, or what follows a "::" in it, without what gcc adds to copies (".constprop.0").
bool is_short_for(std::string_view name, std::string_view whole) {
  if (name.find('.') == std::string_view::npos && whole.find('.') != 0)
    whole = whole.substr(0, whole.find('.'));
  return whole.ends_with(name) &&
         (whole.size() == name.size() || whole.substr(0, whole.size() - name.size()).ends_with("::"));
}

}  // namespace

std::string Symbols::describe(uint64_t address) const {
  for (const Loaded& loaded : tables_)
    if (std::string text = loaded.table.describe(address - loaded.bias); !text.empty()) return text;
  return {};
}

std::optional<trace::Symbol> Symbols::at(uint64_t address) const {
  for (const Loaded& loaded : tables_) {
    if (const trace::Symbol* symbol = loaded.table.find(address - loaded.bias)) {
      trace::Symbol moved = *symbol;
      moved.address += loaded.bias;
      return moved;
    }
  }
  return {};
}

std::vector<std::string> Symbols::starting_with(std::string_view prefix, size_t most) const {
  std::set<std::string> names;
  for (const Loaded& loaded : tables_)
    for (const trace::Symbol& symbol : loaded.table.symbols())
      if (symbol.name.starts_with(prefix)) names.insert(symbol.name);
  std::vector<std::string> first(names.begin(), names.end());
  if (first.size() > most) first.resize(most);
  return first;
}

Expected<uint64_t> Symbols::find(std::string_view name, const KernelTypes& types) const {
  const std::string whole(name);
  for (const std::vector<Loaded>* known : {&tables_, &data_})
    for (const Loaded& loaded : *known)
      if (const trace::Symbol* symbol = loaded.table.find(whole)) return symbol->address + loaded.bias;
  if (const auto variable = types.variable(whole)) return variable->address;

  std::map<std::string, uint64_t> similar;  // overloads have one name: the lowest address stands for them
  for (const Loaded& loaded : tables_)
    for (const trace::Symbol& symbol : loaded.table.symbols())
      if (is_short_for(name, symbol.name)) similar.emplace(symbol.name, symbol.address + loaded.bias);
  for (const auto& [variable, place] : types.variables())
    if (is_short_for(name, variable)) similar.emplace(variable, place.address);
  if (name.empty() || similar.empty())
    return fail(ErrorKind::kUsage, fmt::format("no symbol is called {}", name));
  if (similar.size() > 1)
    return fail(ErrorKind::kUsage,
                fmt::format("{} is short for {} symbols, {} and {} among them", name, similar.size(),
                            similar.begin()->first, std::next(similar.begin())->first));
  return similar.begin()->second;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::optional<uint64_t> register_value(const CpuState& state, std::string_view name) {
  for (size_t i = 0; i < std::size(kGprNames); ++i)
    if (name == kGprNames[i]) return state.gpr[i];
  for (const SystemRegister& entry : kSystemRegisters)
    if (name == entry.name) return entry.value(state);
  return {};
}

Expected<uint64_t> parse_address(std::string_view text, const CpuState& state, const Symbols& symbols,
                                 const KernelTypes& types) {
  if (const auto number = parse_number(text)) return *number;
  const auto base = [&](std::string_view name) -> Expected<uint64_t> {
    if (const auto number = parse_number(name)) return *number;
    if (!name.starts_with('$')) return symbols.find(name, types);
    if (const auto value = register_value(state, name.substr(1))) return *value;
    return fail(ErrorKind::kUsage, fmt::format("no register is called {}", name));
  };
  // The last sign, if an offset follows: names such as operator+ have signs, too.
  const size_t sign = text.find_last_of("+-");
  if (sign != std::string_view::npos && sign > 0) {
    if (const auto offset = parse_number(text.substr(sign + 1))) {
      const auto start = base(text.substr(0, sign));
      if (!start) return start;
      return text[sign] == '+' ? *start + *offset : *start - *offset;
    }
  }
  if (!text.empty() && text[0] >= '0' && text[0] <= '9')
    return fail(ErrorKind::kUsage, fmt::format("{} is no number: write 0x... for hexadecimal", text));
  return base(text);
}

}  // namespace mmuscope::debug
