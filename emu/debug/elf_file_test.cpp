// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace mmuscope {
namespace {

using Bytes = std::vector<uint8_t>;

// A static executable with one segment that holds the whole file.
Bytes program() {
  Bytes bytes(4096);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = 0x400100;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  const Elf64_Phdr segment{.p_type = PT_LOAD,
                           .p_flags = PF_R | PF_X,
                           .p_offset = 0,
                           .p_vaddr = 0x400000,
                           .p_paddr = 0x400000,
                           .p_filesz = 4096,
                           .p_memsz = 4096,
                           .p_align = 4096};
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &segment, sizeof segment);
  return bytes;
}

template <typename Change>
Bytes with_header(Change change) {
  Bytes bytes = program();
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  change(header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

template <typename Change>
Bytes with_segment(Change change) {
  Bytes bytes = program();
  Elf64_Phdr segment;
  std::memcpy(&segment, bytes.data() + sizeof(Elf64_Ehdr), sizeof segment);
  change(segment);
  std::memcpy(bytes.data() + sizeof(Elf64_Ehdr), &segment, sizeof segment);
  return bytes;
}

// The message for a program that is refused; "" for one that is not.
std::string refusal(const Bytes& bytes) {
  const auto result = check_guest_program(bytes, "prog");
  if (result) return "";
  EXPECT_EQ(result.error().kind, ErrorKind::kData);
  return result.error().message;
}

Bytes this_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ElfFile, TakesAStaticExecutable) { EXPECT_EQ(refusal(program()), ""); }

TEST(ElfFile, SaysWhatAFileIsInstead) {
  EXPECT_EQ(refusal({}), "prog: not an ELF executable");
  EXPECT_EQ(refusal({'#', '!', '/', 'b'}), "prog: is a script: run its interpreter, a static executable");
  EXPECT_EQ(refusal(with_header([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; })),
            "prog: is a 32-bit program: build it for x86-64");
  EXPECT_EQ(refusal(with_header([](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; })),
            "prog: is a program for another machine (ELF machine 183): build it for x86-64");
  EXPECT_EQ(refusal(with_header([](Elf64_Ehdr& h) { h.e_type = ET_REL; })),
            "prog: is an object file: link it with -static");
  EXPECT_EQ(refusal(with_segment([](Elf64_Phdr& s) { s.p_type = PT_INTERP; })),
            "prog: is dynamically linked and needs a static executable: build with -static");
}

TEST(ElfFile, ADynamicProgramOfThisSystemIsRefused) {
  EXPECT_NE(refusal(this_program()).find("needs a static executable"), std::string::npos);
}

TEST(ElfFile, CutAnywhereIsTruncated) {
  const Bytes whole = program();
  for (size_t size = 4; size < whole.size(); ++size)
    EXPECT_NE(refusal(Bytes(whole.begin(), whole.begin() + static_cast<long>(size))).find("truncated"),
              std::string::npos)
        << size;
}

TEST(ElfFile, HugeSegmentsAreRefused) {
  for (const uint64_t size : {uint64_t{1} << 47, ~uint64_t{0}, ~uint64_t{0} - 0x400000})
    EXPECT_NE(
        refusal(with_segment([&](Elf64_Phdr& s) { s.p_memsz = size; })).find("does not fit into user space"),
        std::string::npos);
  EXPECT_NE(refusal(with_segment([](Elf64_Phdr& s) { s.p_filesz = ~uint64_t{0}; })).find("truncated"),
            std::string::npos);
  EXPECT_NE(refusal(with_segment([](Elf64_Phdr& s) { s.p_offset = ~uint64_t{0}; })).find("truncated"),
            std::string::npos);
}

TEST(ElfFile, WhatTheKernelWouldRefuseIsRefused) {
  EXPECT_NE(refusal(with_segment([](Elf64_Phdr& s) { s.p_memsz = 0; })).find("larger in the file"),
            std::string::npos);
  EXPECT_NE(refusal(with_segment([](Elf64_Phdr& s) { s.p_vaddr %= 4096; })).find("lies below 0x10000"),
            std::string::npos);
}

TEST(ElfFile, ReadsFunctionSymbols) {
  const trace::SymbolTable table = read_symbols(this_program());
  const trace::Symbol* symbol = table.find("mmuscope::read_symbols");
  ASSERT_NE(symbol, nullptr);
  EXPECT_EQ(table.describe(symbol->address + 1), "mmuscope::read_symbols+0x1");
}

TEST(ElfFile, DamagedFilesAreReadWithoutHarm) {
  const Bytes whole = this_program();
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    Bytes bytes(whole.begin(), whole.begin() + static_cast<long>(random() % whole.size()));
    for (int i = 0; i < 40 && !bytes.empty(); ++i)
      bytes[random() % (i % 2 ? bytes.size() : std::min<size_t>(bytes.size(), 64))] ^= random();
    (void)check_guest_program(bytes, "prog");
    (void)read_symbols(bytes);
  }
}

}  // namespace
}  // namespace mmuscope
