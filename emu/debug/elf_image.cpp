// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/elf_image.h"

#include <elfutils/libdw.h>
#include <libelf.h>

namespace mmuscope::debug {

void ElfCloser::operator()(Elf* elf) const { elf_end(elf); }
void DwarfCloser::operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }

ElfHandle open_elf(std::span<const uint8_t> bytes) {
  if (elf_version(EV_CURRENT) == EV_NONE) return nullptr;
  // libelf promises not to write to an image that it only reads.
  auto* image = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  ElfHandle elf(elf_memory(image, bytes.size()));
  return elf != nullptr && elf_kind(elf.get()) == ELF_K_ELF ? std::move(elf) : nullptr;
}

DwarfHandle open_dwarf(const ElfHandle& elf) {
  return DwarfHandle(elf != nullptr ? dwarf_begin_elf(elf.get(), DWARF_C_READ, nullptr) : nullptr);
}

}  // namespace mmuscope::debug
