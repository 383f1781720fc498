// SPDX-License-Identifier: GPL-2.0-or-later
//
// UnicornEngine: the guest's registers in and out of Unicorn's context block.
#include "cpu/unicorn/unicorn_engine.h"
#include "x86/control_registers.h"

namespace mmuscope {
namespace {

using x86::CpuState;
using x86::Gpr;
using x86::Segment;

constexpr uint64_t kConditionFlags = 0x8d5;  // OF SF ZF AF PF CF: QEMU keeps them in cc_src
constexpr uint64_t kDirectionFlag = 0x400;   // and DF apart
constexpr uint32_t kCcOpEflags = 1;          // cc_src holds the flags

constexpr int kRegisterIds[16] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                  UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                  UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                  UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};

// QEMU keeps the high doubleword of the descriptor; CpuState bytes 5 and 6 of it, without the limit.
Segment get_segment(const ContextBytes& bytes, size_t at) {
  Segment segment;
  segment.selector = static_cast<uint16_t>(bytes.get<uint32_t>(at));
  segment.base = bytes.get<uint64_t>(at + 8);
  segment.limit = bytes.get<uint32_t>(at + 16);
  segment.attributes = static_cast<uint16_t>((bytes.get<uint32_t>(at + 20) >> 8) & 0xf0ff);
  return segment;
}

void put_segment(ContextBytes& bytes, size_t at, const Segment& segment) {
  bytes.put<uint32_t>(at, segment.selector);
  bytes.put<uint64_t>(at + 8, segment.base);
  bytes.put<uint32_t>(at + 16, segment.limit);
  bytes.put<uint32_t>(at + 20, static_cast<uint32_t>(segment.attributes) << 8);
}

// What QEMU derives from the registers on every load of them (cpu_x86_load_seg_cache, cpu_x86_update_cr0,
// _cr4).
uint32_t derive_hflags(const CpuState& state) {
  const Segment& cs = state.segment(x86::SegmentName::kCs);
  const Segment& ss = state.segment(x86::SegmentName::kSs);
  const bool protected_mode = state.cr0 & x86::cr0::kPe;
  const bool lma = state.efer & x86::efer::kLma;
  uint32_t flags = state.cpl;
  if (lma) flags |= hflags::kLma;
  if (protected_mode) flags |= hflags::kPe;
  if (lma && cs.long_mode()) {
    flags |= hflags::kCs64 | hflags::kCs32 | hflags::kSs32;
  } else {
    if (cs.default_32()) flags |= hflags::kCs32;
    if (ss.default_32()) flags |= hflags::kSs32;
    const uint64_t bases =
        state.segment(x86::SegmentName::kDs).base | state.segment(x86::SegmentName::kEs).base | ss.base;
    if (!protected_mode || !cs.default_32() || bases != 0) flags |= hflags::kAddSeg;
  }
  flags |= (state.cr0 & (x86::cr0::kMp | x86::cr0::kEm | x86::cr0::kTs)) << 8;
  if (state.cr4 & x86::cr4::kOsfxsr) flags |= hflags::kOsfxsr;
  if (state.cr4 & x86::cr4::kSmap) flags |= hflags::kSmap;
  return flags;
}

}  // namespace

void UnicornEngine::write_state(const CpuState& state) {
  uc_context_save(uc_, context_);
  ContextBytes bytes(context_);
  for (unsigned i = 0; i < 16; ++i) bytes.put<uint64_t>(layout_.regs() + 8 * i, state.gpr[i]);
  bytes.put<uint64_t>(layout_.rip(), state.rip);
  // Whole: when a run begins, QEMU takes condition codes and DF from here (x86_cpu_exec_enter).
  bytes.put<uint64_t>(layout_.rflags(), (state.rflags & ~x86::rflags::kRf) | 2);
  bytes.put<uint64_t>(layout_.rflags() + 8, 0);                                // cc_dst
  bytes.put<uint64_t>(layout_.rflags() + 16, state.rflags & kConditionFlags);  // cc_src
  bytes.put<uint64_t>(layout_.rflags() + 24, 0);                               // cc_src2
  bytes.put<uint32_t>(layout_.cc_op(), kCcOpEflags);
  bytes.put<int32_t>(layout_.direction(), (state.rflags & kDirectionFlag) ? -1 : 1);
  bytes.put<uint32_t>(layout_.hflags(), derive_hflags(state));
  size_t at = layout_.segments();
  for (const Segment& segment : state.segments) {
    put_segment(bytes, at, segment);
    at += ContextLayout::kSegmentBytes;
  }
  put_segment(bytes, at, state.ldtr);
  put_segment(bytes, at + ContextLayout::kSegmentBytes, state.tr);
  at += 2 * ContextLayout::kSegmentBytes;
  for (const x86::DescriptorTable* table : {&state.gdtr, &state.idtr}) {
    bytes.put<uint64_t>(at + 8, table->base);
    bytes.put<uint32_t>(at + 16, static_cast<uint32_t>(table->limit));
    at += ContextLayout::kSegmentBytes;
  }
  const uint64_t control[5] = {state.cr0, 0, state.cr2, state.cr3, state.cr4};
  for (unsigned i = 0; i < 5; ++i) bytes.put<uint64_t>(layout_.cr() + 8 * i, control[i]);
  bytes.put<uint64_t>(layout_.efer(), state.efer);
  bytes.put<uint64_t>(layout_.star, state.star);
  bytes.put<uint64_t>(layout_.lstar, state.lstar);
  bytes.put<uint64_t>(layout_.cstar, state.cstar);
  bytes.put<uint64_t>(layout_.sfmask, state.sfmask);
  bytes.put<uint64_t>(layout_.kernel_gs_base, state.kernel_gs_base);
  // Unicorn never calls the code of QEMU that ends a delivery, so a second exception would look like a double
  // fault.
  bytes.put<int32_t>(layout_.old_exception, -1);
  uc_context_restore(uc_, context_);

  rip_ = state.rip;
  shadow_ = state.interrupt_shadow;
  last_rep_ = kNoAddress;
  const CodeSize before = code_size_;
  protected_mode_ = state.cr0 & x86::cr0::kPe;
  cs_base_ = state.segment(x86::SegmentName::kCs).base;
  refresh_mode();
  if (code_size_ == CodeSize::k64) cs_base_ = 0;
  if (before != code_size_) blocks_.forget_translations();
}

void UnicornEngine::read_state(CpuState& state) {
  const uint64_t flags = rflags();
  uc_context_save(uc_, context_);
  const ContextBytes bytes(context_);
  for (unsigned i = 0; i < 16; ++i) state.gpr[i] = bytes.get<uint64_t>(layout_.regs() + 8 * i);
  state.rip = rip_;
  state.rflags = flags;
  size_t at = layout_.segments();
  for (Segment& segment : state.segments) {
    segment = get_segment(bytes, at);
    at += ContextLayout::kSegmentBytes;
  }
  state.ldtr = get_segment(bytes, at);
  state.tr = get_segment(bytes, at + ContextLayout::kSegmentBytes);
  at += 2 * ContextLayout::kSegmentBytes;
  for (x86::DescriptorTable* table : {&state.gdtr, &state.idtr}) {
    table->base = bytes.get<uint64_t>(at + 8);
    table->limit = bytes.get<uint32_t>(at + 16);
    at += ContextLayout::kSegmentBytes;
  }
  // SWAPGS is the one instruction that changes an MSR inside the engine.
  state.kernel_gs_base = bytes.get<uint64_t>(layout_.kernel_gs_base);
  state.cpl = static_cast<uint8_t>(bytes.get<uint32_t>(layout_.hflags()) & hflags::kCplMask);
  state.interrupt_shadow = shadow_;
}

uint64_t UnicornEngine::reg(Gpr name) {
  uint64_t value = 0;
  uc_reg_read(uc_, kRegisterIds[static_cast<unsigned>(name)], &value);
  return value;
}

void UnicornEngine::set_reg(Gpr name, uint64_t value) {
  uc_reg_write(uc_, kRegisterIds[static_cast<unsigned>(name)], &value);
}

uint64_t UnicornEngine::rflags() {
  uint64_t value = 0;
  uc_reg_read(uc_, UC_X86_REG_RFLAGS, &value);
  // QEMU keeps RF until a block is over, which is no place that a guest knows.
  return (value & ~x86::rflags::kRf) | 2;
}

uint8_t UnicornEngine::cpl() {
  if (!protected_mode_) return 0;
  uint16_t selector = 0;
  uc_reg_read(uc_, UC_X86_REG_CS, &selector);
  return selector & 3;
}

void UnicornEngine::advance(uint64_t rip) {
  rip_ = rip;
  shadow_ = false;
  last_rep_ = kNoAddress;
}

// Until 64-bit mode is reached, code size and CS base change inside the engine (far jumps); afterwards they
// stay.
void UnicornEngine::refresh_mode() {
  uc_context_save(uc_, context_);
  const ContextBytes bytes(context_);
  const uint32_t flags = bytes.get<uint32_t>(layout_.hflags());
  if (flags & hflags::kCs64)
    code_size_ = CodeSize::k64;
  else
    code_size_ = (flags & hflags::kCs32) ? CodeSize::k32 : CodeSize::k16;
  cs_base_ = code_size_ == CodeSize::k64
                 ? 0
                 : bytes.get<uint64_t>(layout_.segments() + ContextLayout::kSegmentBytes + 8);
}

// QEMU makes blocks of one instruction while this flag is set, and clears it with that instruction.
void UnicornEngine::set_single_block_flag() {
  uc_context_save(uc_, context_);
  ContextBytes bytes(context_);
  bytes.put<uint32_t>(layout_.hflags(), bytes.get<uint32_t>(layout_.hflags()) | hflags::kInhibitIrq);
  uc_context_restore(uc_, context_);
}

// The context block with everything that CpuState carries brought into one form, so that equal states give
// equal bytes.
void UnicornEngine::save(StateWriter& writer) {
  CpuState state;
  uc_context_save(uc_, context_);
  const ContextBytes now(context_);
  for (unsigned i = 0; i < 5; ++i) {
    const uint64_t value = now.get<uint64_t>(layout_.cr() + 8 * i);
    if (i == 0) state.cr0 = value;
    if (i == 2) state.cr2 = value;
    if (i == 3) state.cr3 = value;
    if (i == 4) state.cr4 = value;
  }
  state.efer = now.get<uint64_t>(layout_.efer());
  state.star = now.get<uint64_t>(layout_.star);
  state.lstar = now.get<uint64_t>(layout_.lstar);
  state.cstar = now.get<uint64_t>(layout_.cstar);
  state.sfmask = now.get<uint64_t>(layout_.sfmask);
  read_state(state);
  write_state(state);
  uc_context_save(uc_, context_);
  const ContextBytes canonical(context_);
  std::vector<uint8_t> bytes(layout_.size - layout_.base);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = canonical.get<uint8_t>(layout_.base + i);
  writer.tag("ucrn");
  writer.put_bytes(bytes);
  writer.put(executed());
  writer.put(rip_);
  writer.put(static_cast<uint8_t>(shadow_));
}

void UnicornEngine::restore(StateReader& reader) {
  reader.expect_tag("ucrn");
  const std::vector<uint8_t> bytes = reader.get_bytes();
  if (bytes.size() != layout_.size - layout_.base) {
    reader.fail("the snapshot was made with another Unicorn");
    return;
  }
  uc_context_save(uc_, context_);
  ContextBytes target(context_);
  for (size_t i = 0; i < bytes.size(); ++i) target.put<uint8_t>(layout_.base + i, bytes[i]);
  uc_context_restore(uc_, context_);
  reader.get(budget_end_);
  budget_ = 0;
  reader.get(rip_);
  shadow_ = reader.get<uint8_t>() != 0;
  last_rep_ = kNoAddress;
  protected_mode_ = target.get<uint64_t>(layout_.cr()) & x86::cr0::kPe;
  refresh_mode();
  forget_all();
}

}  // namespace mmuscope
