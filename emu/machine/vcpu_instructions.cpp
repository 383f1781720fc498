// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vcpu: the instructions that the machine executes itself. Each does what the Intel SDM, vol. 2, says under
// its name, or returns the exception it raises and changes nothing.
#include "machine/vcpu.h"
#include "x86/msr.h"

namespace mmuscope {

using x86::Event;
using x86::Gpr;
using x86::TlbCause;
using x86::TlbEffect;

namespace {

Event exception(uint8_t vector, std::optional<uint32_t> error_code = std::nullopt) {
  return {.kind = x86::EventKind::kException,
          .vector = vector,
          .error_code = error_code,
          .page_fault = std::nullopt};
}
Event general_protection() { return exception(x86::vector::kGeneralProtection, 0); }
Event invalid_opcode() { return exception(x86::vector::kInvalidOpcode); }

bool needs_cpl_0(SystemOp op) {
  switch (op) {
    case SystemOp::kMovToCr:
    case SystemOp::kMovFromCr:
    case SystemOp::kMovToDr7:
    case SystemOp::kClts:
    case SystemOp::kLmsw:
    case SystemOp::kInvlpg:
    case SystemOp::kInvpcid:
    case SystemOp::kRdmsr:
    case SystemOp::kWrmsr:
    case SystemOp::kHlt:
      return true;
    default:
      return false;
  }
}

bool uses_ports(SystemOp op) {
  return op == SystemOp::kIn || op == SystemOp::kOut || op == SystemOp::kIns || op == SystemOp::kOuts;
}

uint64_t low_bits(uint64_t value, unsigned bytes) {
  return bytes == 8 ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}

}  // namespace

std::optional<Event> Vcpu::execute(const Instruction& instruction) {
  if (needs_cpl_0(instruction.op) && engine_->cpl() != 0) return general_protection();
  // No I/O permission bitmap: what IOPL does not allow is refused (CAVEATS.md).
  if (uses_ports(instruction.op) && engine_->cpl() > ((engine_->rflags() & x86::rflags::kIopl) >> 12))
    return general_protection();
  const uint64_t next = engine_->rip() + instruction.length;
  switch (instruction.op) {
    case SystemOp::kMovToCr:
      return move_to_control_register(instruction);
    case SystemOp::kIn:
    case SystemOp::kOut:
      return execute_port(instruction);
    case SystemOp::kSyscall:
      return execute_syscall(instruction);
    case SystemOp::kInvpcid:
      return execute_invpcid(instruction);
    case SystemOp::kRdmsr:
    case SystemOp::kWrmsr:
      return execute_msr(instruction);
    case SystemOp::kMovFromCr:
      if (instruction.control_register != 8) return invalid_opcode();
      engine_->set_reg(static_cast<Gpr>(instruction.reg), apic_.task_priority() >> 4);
      break;
    case SystemOp::kMovToDr7:
      break;  // Unicorn crashes when a breakpoint is enabled: the guest has none (CAVEATS.md)
    case SystemOp::kClts:
      load();
      state_.cr0 &= ~x86::cr0::kTs;
      store();
      break;
    case SystemOp::kInvlpg: {
      const uint64_t linear = engine_->linear_address(instruction, instruction.memory);
      const Moment now = moment();
      core_.tell([&](MachineObserver& o) { o.on_tlb_flush(now, TlbCause::kInvlpg, linear, pcid()); });
      drop_entries(linear, TlbCause::kInvlpg);
      break;
    }
    case SystemOp::kRdtsc:
    case SystemOp::kRdtscp: {
      if ((state_.cr4 & x86::cr4::kTsd) && engine_->cpl() != 0) return general_protection();
      const uint64_t time = core_.now();
      engine_->set_reg(Gpr::kRax, time & 0xffffffff);
      engine_->set_reg(Gpr::kRdx, time >> 32);
      if (instruction.op == SystemOp::kRdtscp) engine_->set_reg(Gpr::kRcx, state_.tsc_aux & 0xffffffff);
      break;
    }
    case SystemOp::kCpuid:
      execute_cpuid();
      break;
    case SystemOp::kHlt:
      load();
      state_.halted = 1;
      break;
    case SystemOp::kRdpkru:
    case SystemOp::kWrpkru: {
      if (!(state_.cr4 & x86::cr4::kPke)) return invalid_opcode();
      if ((engine_->reg(Gpr::kRcx) & 0xffffffff) != 0) return general_protection();
      if (instruction.op == SystemOp::kRdpkru) {
        engine_->set_reg(Gpr::kRax, state_.pkru);
        engine_->set_reg(Gpr::kRdx, 0);
      } else {
        if ((engine_->reg(Gpr::kRdx) & 0xffffffff) != 0) return general_protection();
        state_.pkru = static_cast<uint32_t>(engine_->reg(Gpr::kRax));
        engine_->forget_all();  // the engine keeps rights as they were judged under the old PKRU
      }
      break;
    }
    case SystemOp::kRdpmc:
      return general_protection();
    default:
      return invalid_opcode();
  }
  engine_->advance(next);
  return std::nullopt;
}

std::optional<Event> Vcpu::move_to_control_register(const Instruction& instruction) {
  load();
  const uint64_t value = state_.reg(static_cast<Gpr>(instruction.reg));
  std::expected<TlbEffect, x86::GeneralProtection> effect = TlbEffect::kNone;
  TlbCause cause = TlbCause::kCr0;
  switch (instruction.control_register) {
    case 0:
      effect = x86::write_cr0(state_, value, core_.features);
      break;
    case 2:
      state_.cr2 = value;
      break;
    case 3:
      effect = x86::write_cr3(state_, value, core_.features);
      cause = TlbCause::kMovCr3;
      break;
    case 4:
      effect = x86::write_cr4(state_, value, core_.features);
      cause = TlbCause::kCr4;
      break;
    case 8:
      if (value > 15) return general_protection();
      apic_.set_task_priority(static_cast<uint8_t>(value));
      break;
    default:
      return invalid_opcode();
  }
  if (!effect) return general_protection();
  state_.rip += instruction.length;
  state_.interrupt_shadow = 0;
  store();
  if (instruction.control_register != 2 && instruction.control_register != 8) apply(*effect, cause);
  return std::nullopt;
}

// The TLB forgets what the manual says; the engine, whose cached pages were judged under the old registers,
// everything.
void Vcpu::apply(TlbEffect effect, TlbCause cause) {
  engine_->forget_all();
  if (effect == TlbEffect::kNone) return;
  const Moment now = moment();
  const auto removed = [&](const x86::TlbEntry& entry) {
    core_.tell([&](MachineObserver& o) { o.on_tlb_remove(now, entry, cause); });
  };
  const auto of_pcid =
      effect == TlbEffect::kFlushCurrentPcid ? std::optional<uint16_t>(pcid()) : std::nullopt;
  core_.tell([&](MachineObserver& o) { o.on_tlb_flush(now, cause, 0, of_pcid); });
  if (effect == TlbEffect::kFlushCurrentPcid)
    tlb_.flush_pcid(pcid(), removed);
  else if (effect == TlbEffect::kFlushAllNonGlobal)
    tlb_.flush_non_global(removed);
  else
    tlb_.flush_all(removed);
}

std::optional<Event> Vcpu::execute_port(const Instruction& instruction) {
  const uint16_t port =
      instruction.port_in_dx ? static_cast<uint16_t>(engine_->reg(Gpr::kRdx)) : instruction.port;
  const uint64_t rax = engine_->reg(Gpr::kRax);
  const uint64_t next = engine_->rip() + instruction.length;
  if (instruction.op == SystemOp::kOut) {
    core_.port_write(index_, port, instruction.operand_bytes,
                     static_cast<uint32_t>(low_bits(rax, instruction.operand_bytes)));
  } else {
    const uint64_t value =
        low_bits(core_.port_read(index_, port, instruction.operand_bytes), instruction.operand_bytes);
    // 32-bit results clear the upper half, smaller ones keep what is above.
    const uint64_t kept =
        instruction.operand_bytes == 4 ? 0 : rax & ~low_bits(~uint64_t{0}, instruction.operand_bytes);
    engine_->set_reg(Gpr::kRax, kept | value);
  }
  engine_->advance(next);
  return std::nullopt;
}

// SDM vol. 2, SYSCALL: 64-bit mode only, as the CPUs this is modelled on.
std::optional<Event> Vcpu::execute_syscall(const Instruction& instruction) {
  load();
  const bool long_mode = (state_.efer & x86::efer::kLma) && state_.segment(x86::SegmentName::kCs).long_mode();
  if (!(state_.efer & x86::efer::kSce) || !long_mode) return invalid_opcode();
  state_.reg(Gpr::kRcx) = state_.rip + instruction.length;
  state_.reg(Gpr::kR11) = state_.rflags & ~x86::rflags::kRf;
  state_.rip = state_.lstar;
  state_.rflags = (state_.rflags & ~(state_.sfmask | x86::rflags::kRf)) | x86::rflags::kFixed;
  const auto selector = static_cast<uint16_t>((state_.star >> 32) & 0xfffc);
  state_.segment(x86::SegmentName::kCs) = {
      .base = 0, .limit = 0xffffffff, .selector = selector, .attributes = 0xa09b};
  state_.segment(x86::SegmentName::kSs) = {
      .base = 0, .limit = 0xffffffff, .selector = static_cast<uint16_t>(selector + 8), .attributes = 0xc093};
  state_.cpl = 0;
  state_.interrupt_shadow = 0;
  store();
  return std::nullopt;
}

std::optional<Event> Vcpu::execute_invpcid(const Instruction& instruction) {
  if (!core_.features.invpcid) return invalid_opcode();
  const uint64_t address = engine_->linear_address(instruction, instruction.memory);
  const uint64_t type = engine_->reg(static_cast<Gpr>(instruction.reg));
  const auto low = read(address, 8);
  if (!low) return low.error();
  const auto linear = read(address + 8, 8);
  if (!linear) return linear.error();
  if (type > 3 || (*low >> 12) != 0) return general_protection();
  const auto of = static_cast<uint16_t>(*low);
  if (of != 0 && !(state_.cr4 & x86::cr4::kPcide) && type < 2) return general_protection();
  if (type == 0 && !x86::is_canonical(*linear, state_.cr4 & x86::cr4::kLa57)) return general_protection();
  constexpr TlbCause kCauses[] = {TlbCause::kInvpcidAddress, TlbCause::kInvpcidContext,
                                  TlbCause::kInvpcidAllGlobal, TlbCause::kInvpcidAll};
  const TlbCause cause = kCauses[type];
  const Moment now = moment();
  core_.tell([&](MachineObserver& o) {
    o.on_tlb_flush(now, cause, type == 0 ? *linear : 0, type < 2 ? std::optional(of) : std::nullopt);
  });
  const auto removed = [&](const x86::TlbEntry& entry) {
    core_.tell([&](MachineObserver& o) { o.on_tlb_remove(now, entry, cause); });
  };
  if (type == 0)
    tlb_.invalidate_address(*linear, of, removed);
  else if (type == 1)
    tlb_.flush_pcid(of, removed);
  else if (type == 2)
    tlb_.flush_all(removed);
  else
    tlb_.flush_non_global(removed);
  const uint64_t next = engine_->rip() + instruction.length;
  engine_->forget_all();
  engine_->advance(next);
  return std::nullopt;
}

std::optional<Event> Vcpu::execute_msr(const Instruction& instruction) {
  load();
  const auto number = static_cast<uint32_t>(state_.reg(Gpr::kRcx));
  TlbEffect effect = TlbEffect::kNone;
  if (instruction.op == SystemOp::kRdmsr) {
    const auto value = x86::read_msr(state_, number, core_.now());
    if (!value) return general_protection();
    state_.reg(Gpr::kRax) = *value & 0xffffffff;
    state_.reg(Gpr::kRdx) = *value >> 32;
  } else {
    const uint64_t value = (state_.reg(Gpr::kRdx) << 32) | (state_.reg(Gpr::kRax) & 0xffffffff);
    const auto written = x86::write_msr(state_, number, value, core_.features);
    if (!written) return general_protection();
    effect = *written;
  }
  state_.rip += instruction.length;
  state_.interrupt_shadow = 0;
  store();
  if (effect != TlbEffect::kNone) apply(effect, TlbCause::kEfer);
  return std::nullopt;
}

void Vcpu::execute_cpuid() {
  const x86::CpuidResult result = x86::cpuid(static_cast<uint32_t>(engine_->reg(Gpr::kRax)),
                                             static_cast<uint32_t>(engine_->reg(Gpr::kRcx)), state_,
                                             core_.features, index_, core_.config.cpus);
  engine_->set_reg(Gpr::kRax, result.eax);
  engine_->set_reg(Gpr::kRbx, result.ebx);
  engine_->set_reg(Gpr::kRcx, result.ecx);
  engine_->set_reg(Gpr::kRdx, result.edx);
}

}  // namespace mmuscope
