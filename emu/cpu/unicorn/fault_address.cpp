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

// Where one access of the instruction at RIP begins.
LinearAddress UnicornEngine::address_of(const Instruction& instruction, const MemoryAccess& access) {
  LinearAddress at = linear_address(instruction, access.operand);
  if (access.adds_al) at += reg(x86::Gpr::kRax) & 0xff;
  if (access.bit_register >= 0)
    at += static_cast<uint64_t>(
        bit_displacement(reg(static_cast<x86::Gpr>(access.bit_register)), access.bytes));
  return at;
}

// The engine said that the instruction at RIP wants something in the page of access.linear: says which byte,
// and what for. Where an operand begins in the page before, it is the page's first byte. So it is where no
// operand lies in the page (descriptor tables and the like). An operand that is read and written is a write
// from the start (SDM vol. 3, 4.7: W/R=1 "if the access causing the exception was a write", which
// read-modify-write is as a whole), though the engine loads first.
Stop UnicornEngine::denied_stop(x86::Access access) {
  Stop stop{.reason = StopReason::kFillDenied, .access = access};
  const LinearAddress page = page_of(access.linear), here = rip_ + cs_base_;
  stop.access.linear = page;
  if (access.type == x86::AccessType::kFetch) {
    if (page_of(here) == page) stop.access.linear = here;
    return stop;
  }
  const MemoryAccesses* accesses = blocks_.accesses_at(here, code_size_);
  if (accesses == nullptr) return stop;
  const bool write = access.type == x86::AccessType::kWrite;
  const MemoryAccess* best = nullptr;
  for (const MemoryAccess& one : accesses->list) {
    const LinearAddress at = address_of(accesses->instruction, one);
    const bool begins_here = page_of(at) == page;
    const bool reaches_here = one.bytes != 0 && page_of(at + one.bytes - 1) == page;
    const bool fits = write ? one.writes : one.reads;
    if (!begins_here && !(reaches_here && fits)) continue;
    if (best != nullptr && (!fits || (write ? best->writes : best->reads))) continue;
    best = &one;
    stop.access.linear = begins_here ? at : page;
  }
  if (best == nullptr) return stop;
  if (best->modifies) stop.access.type = x86::AccessType::kWrite;
  constexpr int8_t kSp = 4, kBp = 5;
  stop.stack = best->operand.segment < 0 && (best->operand.base == kSp || best->operand.base == kBp);
  return stop;
}

}  // namespace mmuscope
