// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/gdb/registers.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "debug/gdb/hex.h"
#include "debug/gdb/register_table.h"

namespace mmuscope::debug::gdb {
namespace {

static_assert(std::endian::native == std::endian::little, "registers are copied as they are in memory");

// FXSAVE64, SDM vol. 1, table 10-2.
constexpr size_t kFxStatus = 2;
constexpr size_t kFxTags = 4;
constexpr size_t kFxSt = 32;

enum Tag : unsigned { kValid = 0, kZero = 1, kSpecial = 2, kEmpty = 3 };

// SDM vol. 1, 8.1.7. `st` is one 80-bit register.
Tag tag_of(const uint8_t* st) {
  uint64_t significand;
  uint16_t exponent;
  std::memcpy(&significand, st, sizeof significand);
  std::memcpy(&exponent, st + sizeof significand, sizeof exponent);
  exponent &= 0x7fff;
  if (exponent == 0 && significand == 0) return kZero;
  if (exponent == 0 || exponent == 0x7fff || !(significand >> 63)) return kSpecial;
  return kValid;
}

// Tags are by physical register, the register slots by distance from the top of the stack.
uint16_t full_tags(const FxsaveImage& fpu) {
  const unsigned top = (fpu[kFxStatus + 1] >> 3) & 7;
  uint16_t tags = 0;
  for (unsigned physical = 0; physical < 8; physical++) {
    const bool used = fpu[kFxTags] >> physical & 1;
    const unsigned slot = (physical - top) & 7;
    const Tag tag = used ? tag_of(fpu.data() + kFxSt + 16 * slot) : kEmpty;
    tags = static_cast<uint16_t>(tags | tag << (2 * physical));
  }
  return tags;
}

uint8_t short_tags(uint16_t tags) {
  uint8_t used = 0;
  for (unsigned physical = 0; physical < 8; physical++) {
    if ((tags >> (2 * physical) & 3) != kEmpty) used = static_cast<uint8_t>(used | 1u << physical);
  }
  return used;
}

void append_register(const Register& reg, const RegisterFile& file, std::string& digits) {
  uint8_t bytes[16]{};
  if (reg.is_tag_word) {
    const uint16_t tags = full_tags(file.fpu);
    std::memcpy(bytes, &tags, sizeof tags);
  } else {
    std::memcpy(bytes, reinterpret_cast<const uint8_t*>(&file) + reg.offset, reg.copied());
  }
  digits += to_hex({bytes, reg.shown});
}

bool store_register(const Register& reg, std::string_view digits, RegisterFile& file) {
  const auto bytes = from_hex(digits);
  if (!bytes || bytes->size() != reg.shown) return false;
  if (reg.is_tag_word) {
    uint16_t tags;
    std::memcpy(&tags, bytes->data(), sizeof tags);
    file.fpu[kFxTags] = short_tags(tags);
  } else {
    std::memcpy(reinterpret_cast<uint8_t*>(&file) + reg.offset, bytes->data(), reg.copied());
  }
  return true;
}

}  // namespace

size_t register_count() { return register_table().size(); }

std::optional<std::string> encode_register(uint64_t number, const RegisterFile& file) {
  if (number >= register_count()) return std::nullopt;
  std::string digits;
  append_register(register_table()[number], file, digits);
  return digits;
}

bool decode_register(uint64_t number, std::string_view digits, RegisterFile& file) {
  return number < register_count() && store_register(register_table()[number], digits, file);
}

std::string encode_registers(const RegisterFile& file) {
  std::string digits;
  for (const Register& reg : register_table()) append_register(reg, file, digits);
  return digits;
}

bool decode_registers(std::string_view digits, RegisterFile& file) {
  RegisterFile decoded = file;
  for (const Register& reg : register_table()) {
    if (!store_register(reg, digits.substr(0, 2 * reg.shown), decoded)) return false;
    digits.remove_prefix(2 * reg.shown);
  }
  if (!digits.empty()) return false;
  file = decoded;
  return true;
}

}  // namespace mmuscope::debug::gdb
