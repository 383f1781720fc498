// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/disassembler.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace mmuscope::debug {
namespace {

Instruction::Kind kind_of(const cs_insn& raw) {
  switch (raw.id) {
    case X86_INS_CALL:
      return Instruction::Kind::kCall;
    case X86_INS_RET:
      return Instruction::Kind::kReturn;
    case X86_INS_IRETQ:
    case X86_INS_SYSRET:
      return Instruction::Kind::kTrapReturn;
    case X86_INS_SYSCALL:
      return Instruction::Kind::kSyscall;
    case X86_INS_PUSH:
      return Instruction::Kind::kPush;
    default:
      return Instruction::Kind::kOther;
  }
}

bool jumps(const cs_insn& raw) {
  for (uint8_t i = 0; i < raw.detail->groups_count; ++i)
    if (raw.detail->groups[i] == CS_GRP_JUMP || raw.detail->groups[i] == CS_GRP_CALL) return true;
  return false;
}

}  // namespace

Disassembler::Disassembler(const Symbols& symbols) : symbols_(symbols) {
  csh handle = 0;
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) return;
  cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
  handle_ = handle;
}

Disassembler::~Disassembler() {
  csh handle = handle_;
  if (handle != 0) cs_close(&handle);
}

void Disassembler::add_code(std::span<const uint8_t> elf, uint64_t bias) {
  Elf64_Ehdr header;
  if (elf.size() < sizeof header) return;
  std::memcpy(&header, elf.data(), sizeof header);
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    const uint64_t at = header.e_phoff + i * sizeof segment;
    if (at > elf.size() || elf.size() - at < sizeof segment) return;
    std::memcpy(&segment, elf.data() + at, sizeof segment);
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 || segment.p_offset > elf.size()) continue;
    const uint64_t bytes = std::min<uint64_t>(segment.p_filesz, elf.size() - segment.p_offset);
    code_.push_back({segment.p_vaddr + bias, elf.subspan(segment.p_offset, bytes)});
  }
}

std::span<const uint8_t> Disassembler::code_at(uint64_t address) const {
  for (const Code& code : code_)
    if (address - code.begin < code.bytes.size()) return code.bytes.subspan(address - code.begin);
  return {};
}

std::string Disassembler::operands(const cs_insn& raw) const {
  std::string text = raw.op_str;
  const auto named = [&](uint64_t address) {
    const std::string symbol = symbols_.describe(address);
    return symbol.empty() ? fmt::format("{:#x}", address) : fmt::format("{:#x} <{}>", address, symbol);
  };
  for (uint8_t i = 0; i < raw.detail->x86.op_count; ++i) {
    const cs_x86_op& operand = raw.detail->x86.operands[i];
    if (operand.type == X86_OP_IMM && jumps(raw)) return named(static_cast<uint64_t>(operand.imm));
    if (operand.type == X86_OP_MEM && operand.mem.base == X86_REG_RIP)
      text += "        # " + named(raw.address + raw.size + static_cast<uint64_t>(operand.mem.disp));
  }
  return text;
}

std::optional<Instruction> Disassembler::decode(std::span<const uint8_t> bytes, uint64_t address) const {
  cs_insn* raw = nullptr;
  if (handle_ == 0 || cs_disasm(handle_, bytes.data(), bytes.size(), address, 1, &raw) == 0) return {};
  Instruction found{
      .address = raw->address, .size = raw->size, .kind = kind_of(*raw), .target = {}, .text = {}};
  const std::string rest = operands(*raw);
  found.text = rest.empty() ? raw->mnemonic : fmt::format("{:<6} {}", raw->mnemonic, rest);
  const cs_x86& x86 = raw->detail->x86;
  if (jumps(*raw) && x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM)
    found.target = static_cast<uint64_t>(x86.operands[0].imm);
  cs_free(raw, 1);
  return found;
}

}  // namespace mmuscope::debug
