// SPDX-License-Identifier: GPL-2.0-or-later
//
// An ELF executable in memory: whether it can run inside, and its function symbols. Reading is libelf's; what
// is asked of a program is what minikernel's loader asks (minikernel/proc/elf_loader.cpp), told here in
// words, before a machine is started for nothing. Nothing in a file can make these functions read outside it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "trace/symbol_table.h"

namespace mmuscope {

// kData with one sentence when `bytes` are no static x86-64 Linux executable; `name` is what the user calls
// it.
Expected<void> check_guest_program(std::span<const uint8_t> bytes, const std::string& name);

// Functions and assembly labels of code sections, C++ names demangled, without parameters. Empty when the
// file has no symbols, or none that can be read.
trace::SymbolTable read_symbols(std::span<const uint8_t> bytes);
// Variables, the same way.
trace::SymbolTable read_data_symbols(std::span<const uint8_t> bytes);
// Functions and labels with all names of an address: `puts` is also `_IO_puts`, and a table keeps one of
// them.
std::vector<trace::Symbol> read_all_symbols(std::span<const uint8_t> bytes);

}  // namespace mmuscope
