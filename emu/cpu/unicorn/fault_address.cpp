// SPDX-License-Identifier: GPL-2.0-or-later
//
// UnicornEngine: which byte a denied access wanted. Unicorn's fill hook names only the page (a test in
// unicorn_facts_test.cpp), but CR2 holds the address (SDM vol. 3, 4.7), so it is computed from the
// instruction.
#include "cpu/unicorn/unicorn_engine.h"

namespace mmuscope {
namespace {

using x86::LinearAddress;

constexpr LinearAddress page_of(LinearAddress address) { return address & x86::kPageMask; }

// BT and its kin take the bit offset from a register of the operand's size, signed, and access the
// operand-sized piece of memory that holds the bit.
int64_t bit_displacement(uint64_t offset, uint16_t bytes) {
  const unsigned bits = bytes * 8;
  const auto value = static_cast<int64_t>(offset << (64 - bits)) >> (64 - bits);
  return (value >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * bytes;
}

}  // namespace

LinearAddress UnicornEngine::linear_address(const Instruction& instruction, const MemoryOperand& operand) {
  auto address = static_cast<uint64_t>(operand.displacement);
  if (operand.base == MemoryOperand::kRipRegister)
    address += rip_ + instruction.length;
  else if (operand.base >= 0)
    address += reg(static_cast<x86::Gpr>(operand.base));
  if (operand.index >= 0) address += reg(static_cast<x86::Gpr>(operand.index)) * operand.scale;
  if (instruction.address_bytes == 4) address &= 0xffffffff;
  if (instruction.address_bytes == 2) address &= 0xffff;
  constexpr int8_t kSs = 2, kDs = 3, kFs = 4, kSp = 4, kBp = 5;
  int8_t segment = operand.segment;
  // In 64-bit mode only FS and GS have a base.
  if (code_size_ == CodeSize::k64 && segment < kFs) return address;
  if (segment < 0) segment = operand.base == kSp || operand.base == kBp ? kSs : kDs;
  uc_context_save(uc_, context_);
  const size_t at = layout_.segments() + static_cast<size_t>(segment) * ContextLayout::kSegmentBytes;
  address += ContextBytes(context_).get<uint64_t>(at + 8);
  return code_size_ == CodeSize::k64 ? address : address & 0xffffffff;
}

// The engine said that the instruction at RIP wants something in the page of access.linear: says which byte.
// Where an operand begins in the page before, it is the page's first. So it is where no operand lies in the
// page (descriptor tables and the like).
x86::Access UnicornEngine::exact_access(x86::Access access) {
  const LinearAddress page = page_of(access.linear), here = rip_ + cs_base_;
  access.linear = page;
  if (access.type == x86::AccessType::kFetch) {
    if (page_of(here) == page) access.linear = here;
    return access;
  }
  const MemoryAccesses* accesses = blocks_.accesses_at(here, code_size_);
  if (accesses == nullptr) return access;
  const bool write = access.type == x86::AccessType::kWrite;
  const LinearAddress* best = nullptr;
  LinearAddress same_type = 0, other_type = 0;
  for (const MemoryAccess& one : accesses->list) {
    LinearAddress at = linear_address(accesses->instruction, one.operand);
    if (one.adds_al) at += reg(x86::Gpr::kRax) & 0xff;
    if (one.bit_register >= 0)
      at += static_cast<uint64_t>(bit_displacement(reg(static_cast<x86::Gpr>(one.bit_register)), one.bytes));
    if (page_of(at) != page) continue;
    if (write ? one.writes : one.reads) {
      if (best != &same_type) same_type = at;
      best = &same_type;
    } else if (best == nullptr) {
      other_type = at;
      best = &other_type;
    }
  }
  if (best != nullptr) access.linear = *best;
  return access;
}

}  // namespace mmuscope
