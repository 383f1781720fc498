// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/repl/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "debug/words.h"

namespace mmuscope::debug {
namespace {

constexpr size_t kMostElements = 200;

struct NamedType {
  std::string_view name;
  uint64_t size;
  bool is_signed;
};
constexpr NamedType kTypes[] = {
    {"char", 1, true},
    {"signed char", 1, true},
    {"unsigned char", 1, false},
    {"uint8_t", 1, false},
    {"int8_t", 1, true},
    {"short", 2, true},
    {"unsigned short", 2, false},
    {"uint16_t", 2, false},
    {"int16_t", 2, true},
    {"int", 4, true},
    {"unsigned", 4, false},
    {"unsigned int", 4, false},
    {"uint32_t", 4, false},
    {"int32_t", 4, true},
    {"long", 8, true},
    {"unsigned long", 8, false},
    {"uint64_t", 8, false},
    {"int64_t", 8, true},
    {"long long", 8, true},
    {"size_t", 8, false},
    {"bool", 1, false},
    {"unsigned long long", 8, false},
};

KernelType number_type(uint64_t size, bool is_signed) {
  KernelType type;
  type.kind = KernelType::Kind::kNumber;
  type.size = size;
  type.is_signed = is_signed;
  return type;
}

// "(TYPE *) rest": the type, and `text` becomes the rest.
Expected<KernelType> take_cast(std::string_view& text) {
  if (!text.starts_with('(')) return number_type(8, false);
  const size_t end = text.find(')');
  if (end == std::string_view::npos) return fail(ErrorKind::kUsage, "a ) is missing");
  std::string_view name = trim(text.substr(1, end - 1));
  const bool pointer = name.ends_with('*');
  if (pointer) name = trim(name.substr(0, name.size() - 1));
  text = trim(text.substr(end + 1));
  if (name.ends_with('*')) return number_type(8, false);
  for (const NamedType& known : kTypes)
    if (pointer && name == known.name) return number_type(known.size, known.is_signed);
  return fail(ErrorKind::kUsage, fmt::format("({}) is no pointer to a number: write *(int *)ADDRESS", name));
}

uint64_t load(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), std::min<size_t>(bytes.size(), sizeof value));
  return value;
}

int64_t sign_extend(uint64_t value, size_t bytes) {
  const unsigned shift = 64 - 8 * static_cast<unsigned>(std::clamp<size_t>(bytes, 1, 8));
  return static_cast<int64_t>(value << shift) >> shift;
}

}  // namespace

void Values::add(std::span<const uint8_t> elf, uint64_t bias) {
  programs_.push_back({KernelTypes::read(elf), bias});
}

// NAME, NAME.MEMBER..., NAME[INDEX]
std::optional<Value> Values::part_of(const KernelTypes& types, uint64_t bias, std::string_view text) {
  const size_t end = std::min(text.find_first_of(".["), text.size());
  const auto variable = types.variable(std::string(text.substr(0, end)));
  if (!variable) return {};
  Value value;
  value.address = variable->address + bias;
  value.type = variable->type;
  const std::string_view rest = text.substr(end);
  if (rest.empty()) return value;
  if (rest[0] == '.') {
    const auto field = types.field(variable->type.name, rest.substr(1));
    if (!field) return {};
    *value.address += field->offset;
    value.type = field->type;
    return value;
  }
  const auto index = rest.ends_with(']') ? parse_number(rest.substr(1, rest.size() - 2)) : std::nullopt;
  if (!index || value.type.element_size == 0) return {};
  *value.address += *index * value.type.element_size;
  value.type = number_type(value.type.element_size, false);
  return value;
}

std::optional<Value> Values::variable(std::string_view text) const {
  for (const Program& program : programs_)
    if (const auto found = part_of(program.types, program.bias, text)) return found;
  return part_of(kernel_, 0, text);
}

Expected<Value> Values::evaluate(std::string_view given, const x86::CpuState& state) const {
  std::string_view text = trim(given);
  if (text.empty()) return fail(ErrorKind::kUsage, "an address or a name is missing");
  const bool address_of = text[0] == '&', follow = text[0] == '*';
  if (address_of || follow) text = trim(text.substr(1));
  Value value;
  KernelType pointed = number_type(8, false);
  if (follow) {
    const auto cast = take_cast(text);
    if (!cast) return std::unexpected(cast.error());
    pointed = *cast;
  }
  const auto found = variable(text);
  if (found && follow && found->type.kind == KernelType::Kind::kPointer)
    return fail(ErrorKind::kUsage,
                fmt::format("{0} is a pointer: print {0}, and then *(long *)ADDRESS", text));
  if (found && !follow) {
    if (!address_of) return *found;
    value.number = *found->address;
    value.type.kind = KernelType::Kind::kPointer;
    return value;
  }
  const auto address = parse_address(text, state, symbols_, kernel_);
  if (!address) return std::unexpected(address.error());
  if (follow) {
    value.address = *address;
    value.type = pointed;
  } else {
    value.number = *address;
    const bool plain = parse_number(text).has_value();
    value.type.kind = plain ? KernelType::Kind::kNumber : KernelType::Kind::kPointer;
    value.type.size = 8;
  }
  return value;
}

std::string Values::number(uint64_t value, size_t bytes, char format) const {
  const uint64_t mask = bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1;
  value &= mask;
  switch (format) {
    case 'd':
      return fmt::format("{}", sign_extend(value, bytes));
    case 'u':
      return fmt::format("{}", value);
    case 'o':
      return fmt::format("{:#o}", value);
    case 't':
      return fmt::format("{:b}", value);
    case 'c': {
      const auto letter = static_cast<char>(value);
      const bool shown = letter >= ' ' && letter <= '~';
      return shown ? fmt::format("{} '{}'", sign_extend(value, 1), letter)
                   : fmt::format("{} '\\{:03o}'", sign_extend(value, 1), value & 0xff);
    }
    case 'a': {
      const std::string symbol = symbols_.describe(value);
      return symbol.empty() ? fmt::format("{:#x}", value) : fmt::format("{:#x} <{}>", value, symbol);
    }
    case 'z':
      return fmt::format("0x{:0{}x}", value, 2 * bytes);
    default:
      return fmt::format("{:#x}", value);
  }
}

std::string Values::show_bytes(std::span<const uint8_t> bytes, const KernelType& type, char format) const {
  const char letter = format != 0                               ? format
                      : type.kind == KernelType::Kind::kPointer ? 'a'
                      : type.kind != KernelType::Kind::kNumber  ? 'x'
                      : type.is_signed                          ? 'd'
                                                                : 'u';
  if (!bytes.empty() && bytes.size() <= 8) return number(load(bytes), bytes.size(), letter);
  const uint64_t element = type.element_size;
  const size_t step = type.kind == KernelType::Kind::kArray && element >= 1 && element <= 8 ? element : 1;
  std::string text = "{";
  for (size_t at = 0; at + step <= bytes.size() && at / step < kMostElements; at += step)
    text += (at == 0 ? "" : ", ") + number(load(bytes.subspan(at, step)), step, letter);
  return text + (bytes.size() / step > kMostElements ? ", ...}" : "}");
}

Expected<std::string> Values::show(const Value& value, char format, const CpuMemory& memory) const {
  if (!value.address) {
    const bool pointer = value.type.kind == KernelType::Kind::kPointer;
    return number(value.number, 8, format != 0 ? format : pointer ? 'a' : 'd');
  }
  const size_t bytes = std::min<size_t>(value.type.size == 0 ? 8 : value.type.size, 8 * kMostElements);
  const auto read = memory.bytes(*value.address, bytes);
  if (read.size() < bytes) return fail(ErrorKind::kUsage, not_there(*value.address + read.size()));
  return show_bytes(read, value.type, format);
}

std::vector<std::string> Values::starting_with(std::string_view prefix, size_t most) const {
  std::vector<std::string> found;
  const auto add = [&](const KernelTypes& types) {
    for (auto at = types.variables().lower_bound(std::string(prefix));
         at != types.variables().end() && at->first.starts_with(prefix) && found.size() < most; ++at)
      found.push_back(at->first);
  };
  for (const Program& program : programs_) add(program.types);
  add(kernel_);
  return found;
}

}  // namespace mmuscope::debug
