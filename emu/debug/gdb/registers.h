// SPDX-License-Identifier: GPL-2.0-or-later
//
// The registers of a CPU as gdb sees them: the target description that names them (gdb manual, appendix G
// "Target Descriptions"; the features gdb knows by org.gnu.gdb.i386.*, and one of our own for what system
// code sees), and their bytes for the packets g, G, p and P. A register's number is its place in the
// description.
//
// x87 comes from FXSAVE64: its 8-bit tag word is shown as the 16-bit one that FSTENV would store, and,
// because FXSAVE64 keeps 64-bit instruction and operand pointers and no selectors, fiseg and foseg are the
// pointers' upper halves (as gdb itself does). Left out: YMM and above (no AVX inside), MSRs without a name
// here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "debug/target.h"
#include "x86/cpu_state.h"

namespace mmuscope::debug::gdb {

struct RegisterFile {
  x86::CpuState state;
  FxsaveImage fpu{};
};

// XML, the annex `target.xml`.
const std::string& target_description();

size_t register_count();

// Hexadecimal in the guest's byte order. Decoding is all or nothing: false, and nothing changed, when the
// digits are not exactly the register's. Bits that a register has in the packet but not in the machine are
// ignored.
std::optional<std::string> encode_register(uint64_t number, const RegisterFile& file);
bool decode_register(uint64_t number, std::string_view digits, RegisterFile& file);
std::string encode_registers(const RegisterFile& file);
bool decode_registers(std::string_view digits, RegisterFile& file);

}  // namespace mmuscope::debug::gdb
