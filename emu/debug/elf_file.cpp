// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/elf_file.h"

#include <elf.h>
#include <fmt/format.h>
#include <gelf.h>

#include <cstring>
#include <vector>

#include "debug/elf_image.h"
#include "debug/readable_name.h"

namespace mmuscope {
namespace {

constexpr uint64_t kUserEnd = 0x7ffffffff000;
constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kLowestAddress = 0x10000;  // vm.mmap_min_addr

std::unexpected<Error> refuse(const std::string& name, const std::string& why) {
  return fail(ErrorKind::kData, name + ": " + why);
}

Expected<void> check_header(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    const bool script = bytes.size() >= 2 && bytes[0] == '#' && bytes[1] == '!';
    return refuse(name,
                  script ? "is a script: run its interpreter, a static executable" : "not an ELF executable");
  }
  if (bytes.size() < EI_NIDENT) return refuse(name, "truncated: the ELF header is cut off");
  if (bytes[EI_CLASS] == ELFCLASS32) return refuse(name, "is a 32-bit program: build it for x86-64");
  if (bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB)
    return refuse(name, "not an ELF executable for x86-64");
  if (bytes.size() < sizeof(Elf64_Ehdr)) return refuse(name, "truncated: the ELF header is cut off");
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.e_machine != EM_X86_64)
    return refuse(name, fmt::format("is a program for another machine (ELF machine {}): build it for x86-64",
                                    header.e_machine));
  if (header.e_type == ET_REL) return refuse(name, "is an object file: link it with -static");
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return refuse(name, "not an executable");
  if (header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr))
    return refuse(name, "has no usable program headers");
  if (header.e_phnum > kPageSize / sizeof(Elf64_Phdr))
    return refuse(name, "has more program headers than Linux takes");
  const uint64_t headers_end = header.e_phnum * sizeof(Elf64_Phdr);
  if (header.e_phoff > bytes.size() || headers_end > bytes.size() - header.e_phoff)
    return refuse(name, "truncated: its program headers lie beyond the end of the file");
  return {};
}

Expected<void> check_segment(const Elf64_Phdr& segment, size_t file_bytes, const std::string& name) {
  if (segment.p_offset > file_bytes || segment.p_filesz > file_bytes - segment.p_offset)
    return refuse(name, "truncated: a segment lies beyond the end of the file");
  if (segment.p_filesz > segment.p_memsz)
    return refuse(name, "damaged: a segment is larger in the file than in memory");
  if (segment.p_vaddr >= kUserEnd || segment.p_memsz > kUserEnd - segment.p_vaddr)
    return refuse(name, fmt::format("damaged: a segment of {} bytes at 0x{:x} does not fit into user space",
                                    segment.p_memsz, segment.p_vaddr));
  if (segment.p_offset % kPageSize != segment.p_vaddr % kPageSize)
    return refuse(name, "damaged: a segment's place in the file does not fit its address");
  return {};
}

// Addresses of `section` hold code.
bool is_code(Elf* elf, size_t section) {
  GElf_Shdr header;
  Elf_Scn* found = elf_getscn(elf, section);
  return found != nullptr && gelf_getshdr(found, &header) != nullptr &&
         (header.sh_flags & SHF_EXECINSTR) != 0;
}

enum class Kind : uint8_t { kCode, kData };

bool is_of(Kind kind, Elf* elf, const GElf_Sym& symbol) {
  const unsigned type = GELF_ST_TYPE(symbol.st_info);
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE) return false;
  if (kind == Kind::kData) return type == STT_OBJECT;
  const bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
  return (function || type == STT_NOTYPE) && is_code(elf, symbol.st_shndx);
}

void add_symbols(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, Kind kind,
                 std::vector<trace::Symbol>& symbols) {
  Elf_Data* data = elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return;
  const size_t count = data->d_size / sizeof(Elf64_Sym);
  for (size_t i = 0; i < count; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) return;
    if (!is_of(kind, elf, symbol)) continue;
    const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
    if (name == nullptr || *name == 0) continue;
    symbols.push_back({.address = symbol.st_value, .size = symbol.st_size, .name = readable_name(name)});
  }
}

std::vector<trace::Symbol> read_symbols_of(Kind kind, std::span<const uint8_t> bytes) {
  const debug::ElfHandle elf = debug::open_elf(bytes);
  std::vector<trace::Symbol> symbols;
  if (elf == nullptr || gelf_getclass(elf.get()) != ELFCLASS64) return {};
  for (Elf_Scn* section = elf_nextscn(elf.get(), nullptr); section != nullptr;
       section = elf_nextscn(elf.get(), section)) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) != nullptr && header.sh_type == SHT_SYMTAB)
      add_symbols(elf.get(), section, header, kind, symbols);
  }
  return symbols;
}

}  // namespace

Expected<void> check_guest_program(std::span<const uint8_t> bytes, const std::string& name) {
  if (auto good = check_header(bytes, name); !good) return good;
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  bool loads = false, entry_inside = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_INTERP)
      return refuse(name, "is dynamically linked and needs a static executable: build with -static");
    if (segment.p_type != PT_LOAD || (segment.p_memsz == 0 && segment.p_filesz == 0)) continue;
    if (auto good = check_segment(segment, bytes.size(), name); !good) return good;
    if (header.e_type == ET_EXEC && segment.p_vaddr < kLowestAddress)
      return refuse(name, fmt::format("a segment at 0x{:x} lies below 0x{:x}, where nothing may be mapped",
                                      segment.p_vaddr, kLowestAddress));
    loads = true;
    entry_inside |= header.e_entry >= segment.p_vaddr && header.e_entry - segment.p_vaddr < segment.p_memsz;
  }
  if (!loads) return refuse(name, "has nothing to load");
  if (!entry_inside)
    return refuse(name, header.e_type == ET_DYN ? "is a shared library, not a program: build with -static"
                                                : "damaged: its entry point lies outside its segments");
  return {};
}

trace::SymbolTable read_symbols(std::span<const uint8_t> bytes) {
  return trace::SymbolTable(read_all_symbols(bytes));
}

trace::SymbolTable read_data_symbols(std::span<const uint8_t> bytes) {
  return trace::SymbolTable(read_symbols_of(Kind::kData, bytes));
}

std::vector<trace::Symbol> read_all_symbols(std::span<const uint8_t> bytes) {
  return read_symbols_of(Kind::kCode, bytes);
}

}  // namespace mmuscope
