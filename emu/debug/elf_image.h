// SPDX-License-Identifier: GPL-2.0-or-later
//
// An ELF file in memory for libelf and libdw, closed by itself. The bytes must stay where they are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

struct Elf;
struct Dwarf;

namespace mmuscope::debug {

struct ElfCloser {
  void operator()(Elf* elf) const;
};
struct DwarfCloser {
  void operator()(Dwarf* dwarf) const;
};
using ElfHandle = std::unique_ptr<Elf, ElfCloser>;
using DwarfHandle = std::unique_ptr<Dwarf, DwarfCloser>;

// Null when it is no ELF file.
ElfHandle open_elf(std::span<const uint8_t> bytes);
// Null when `elf` is null or has no debug information. `elf` must live longer.
DwarfHandle open_dwarf(const ElfHandle& elf);

}  // namespace mmuscope::debug
