// SPDX-License-Identifier: GPL-2.0-or-later
#include "cpu/decoder.h"

#include <capstone/capstone.h>

#include <string>

#include "base/check.h"

namespace mmuscope {
namespace {

int8_t register_number(x86_reg reg) {
  switch (reg) {
    case X86_REG_RAX:
    case X86_REG_EAX:
    case X86_REG_AX:
    case X86_REG_AL:
      return 0;
    case X86_REG_RCX:
    case X86_REG_ECX:
    case X86_REG_CX:
      return 1;
    case X86_REG_RDX:
    case X86_REG_EDX:
    case X86_REG_DX:
      return 2;
    case X86_REG_RBX:
    case X86_REG_EBX:
    case X86_REG_BX:
      return 3;
    case X86_REG_RSP:
    case X86_REG_ESP:
    case X86_REG_SP:
      return 4;
    case X86_REG_RBP:
    case X86_REG_EBP:
    case X86_REG_BP:
      return 5;
    case X86_REG_RSI:
    case X86_REG_ESI:
    case X86_REG_SI:
      return 6;
    case X86_REG_RDI:
    case X86_REG_EDI:
    case X86_REG_DI:
      return 7;
    case X86_REG_R8:
    case X86_REG_R8D:
      return 8;
    case X86_REG_R9:
    case X86_REG_R9D:
      return 9;
    case X86_REG_R10:
    case X86_REG_R10D:
      return 10;
    case X86_REG_R11:
    case X86_REG_R11D:
      return 11;
    case X86_REG_R12:
    case X86_REG_R12D:
      return 12;
    case X86_REG_R13:
    case X86_REG_R13D:
      return 13;
    case X86_REG_R14:
    case X86_REG_R14D:
      return 14;
    case X86_REG_R15:
    case X86_REG_R15D:
      return 15;
    case X86_REG_RIP:
    case X86_REG_EIP:
      return MemoryOperand::kRipRegister;
    default:
      return MemoryOperand::kNoRegister;
  }
}

int8_t segment_number(x86_reg reg) {
  switch (reg) {
    case X86_REG_ES:
      return 0;
    case X86_REG_CS:
      return 1;
    case X86_REG_SS:
      return 2;
    case X86_REG_DS:
      return 3;
    case X86_REG_FS:
      return 4;
    case X86_REG_GS:
      return 5;
    default:
      return MemoryOperand::kNoRegister;
  }
}

bool is_control_register(x86_reg reg) { return reg >= X86_REG_CR0 && reg <= X86_REG_CR15; }

SystemOp system_op(const cs_insn& insn) {
  const cs_x86& x86 = insn.detail->x86;
  switch (insn.id) {
    case X86_INS_MOV:
      if (x86.op_count == 2 && x86.operands[0].type == X86_OP_REG && is_control_register(x86.operands[0].reg))
        return SystemOp::kMovToCr;
      if (x86.op_count == 2 && x86.operands[1].type == X86_OP_REG && is_control_register(x86.operands[1].reg))
        return SystemOp::kMovFromCr;
      if (x86.op_count == 2 && x86.operands[0].type == X86_OP_REG && x86.operands[0].reg == X86_REG_DR7)
        return SystemOp::kMovToDr7;
      return SystemOp::kNone;
    case X86_INS_CLTS:
      return SystemOp::kClts;
    case X86_INS_LMSW:
      return SystemOp::kLmsw;
    case X86_INS_INVLPG:
      return SystemOp::kInvlpg;
    case X86_INS_INVPCID:
      return SystemOp::kInvpcid;
    case X86_INS_RDMSR:
      return SystemOp::kRdmsr;
    case X86_INS_WRMSR:
      return SystemOp::kWrmsr;
    case X86_INS_RDTSC:
      return SystemOp::kRdtsc;
    case X86_INS_RDTSCP:
      return SystemOp::kRdtscp;
    case X86_INS_RDPMC:
      return SystemOp::kRdpmc;
    case X86_INS_CPUID:
      return SystemOp::kCpuid;
    case X86_INS_IN:
      return SystemOp::kIn;
    case X86_INS_OUT:
      return SystemOp::kOut;
    case X86_INS_INSB:
    case X86_INS_INSW:
    case X86_INS_INSD:
      return SystemOp::kIns;
    case X86_INS_OUTSB:
    case X86_INS_OUTSW:
    case X86_INS_OUTSD:
      return SystemOp::kOuts;
    case X86_INS_HLT:
      return SystemOp::kHlt;
    case X86_INS_SYSCALL:
      return SystemOp::kSyscall;
    case X86_INS_SYSENTER:
      return SystemOp::kSysenter;
    case X86_INS_SYSEXIT:
      return SystemOp::kSysexit;
    case X86_INS_XGETBV:
      return SystemOp::kXgetbv;
    case X86_INS_XSETBV:
      return SystemOp::kXsetbv;
    case X86_INS_MONITOR:
      return SystemOp::kMonitor;
    case X86_INS_MWAIT:
      return SystemOp::kMwait;
    case X86_INS_RDRAND:
    case X86_INS_RDSEED:
      return SystemOp::kUnavailable;
    default:
      return SystemOp::kNone;
  }
}

bool is_string_op(unsigned id) {
  switch (id) {
    case X86_INS_MOVSB:
    case X86_INS_MOVSW:
    case X86_INS_MOVSQ:
    case X86_INS_STOSB:
    case X86_INS_STOSW:
    case X86_INS_STOSD:
    case X86_INS_STOSQ:
    case X86_INS_LODSB:
    case X86_INS_LODSW:
    case X86_INS_LODSD:
    case X86_INS_LODSQ:
    case X86_INS_SCASB:
    case X86_INS_SCASW:
    case X86_INS_SCASD:
    case X86_INS_SCASQ:
    case X86_INS_CMPSB:
    case X86_INS_CMPSW:
    case X86_INS_CMPSQ:
      return true;
    default:
      return false;
  }
}

// MOVSD and CMPSD name both string and SSE2 instructions; the opcode tells them apart.
bool is_rep_string(const cs_insn& insn) {
  const uint8_t* opcode = insn.detail->x86.opcode;
  const bool string = is_string_op(insn.id) || opcode[0] == 0xa5 || opcode[0] == 0xa7;
  if (!string) return false;
  for (unsigned i = 0; i < insn.size && i < 6; ++i) {
    const uint8_t byte = insn.bytes[i];
    if (byte == 0xf2 || byte == 0xf3) return true;
    if (byte == opcode[0]) break;
  }
  return false;
}

bool writes_ss(const cs_x86& x86) {
  return x86.op_count >= 1 && x86.operands[0].type == X86_OP_REG && x86.operands[0].reg == X86_REG_SS;
}

bool loads_segment(const cs_insn& insn) {
  const cs_x86& x86 = insn.detail->x86;
  switch (insn.id) {
    case X86_INS_MOV:
    case X86_INS_POP:
      return x86.op_count >= 1 && x86.operands[0].type == X86_OP_REG &&
             segment_number(x86.operands[0].reg) >= 0;
    case X86_INS_LAR:
    case X86_INS_LSL:
    case X86_INS_VERR:
    case X86_INS_VERW:
    case X86_INS_LFS:
    case X86_INS_LGS:
    case X86_INS_LSS:
    case X86_INS_LDS:
    case X86_INS_LES:
    case X86_INS_LCALL:
    case X86_INS_LJMP:
    case X86_INS_RETF:
    case X86_INS_RETFQ:
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
      return true;
    default:
      return false;
  }
}

MemoryOperand memory_operand(const cs_x86_op& operand) {
  return {.base = register_number(operand.mem.base),
          .index = register_number(operand.mem.index),
          .scale = static_cast<uint8_t>(operand.mem.scale),
          .segment = segment_number(operand.mem.segment),
          .displacement = operand.mem.disp};
}

void fill_operands(Instruction& out, const cs_insn& insn) {
  const cs_x86& x86 = insn.detail->x86;
  for (unsigned i = 0; i < x86.op_count; ++i) {
    const cs_x86_op& operand = x86.operands[i];
    if (operand.type == X86_OP_MEM) {
      out.memory = memory_operand(operand);
    } else if (operand.type == X86_OP_REG && is_control_register(operand.reg)) {
      out.control_register = static_cast<uint8_t>(operand.reg - X86_REG_CR0);
    } else if (operand.type == X86_OP_REG && out.op != SystemOp::kIn && out.op != SystemOp::kOut) {
      out.reg = register_number(operand.reg);
    } else if (operand.type == X86_OP_REG) {
      if (operand.reg == X86_REG_DX)
        out.port_in_dx = true;
      else
        out.operand_bytes = operand.size;
    } else if (operand.type == X86_OP_IMM) {
      out.port = static_cast<uint8_t>(operand.imm);
    }
  }
}

constexpr int8_t kBx = 3, kSp = 4, kBp = 5, kDi = 7;

// What an instruction reads or writes at the stack pointer, if it does; `word` is the size of a stack slot.
std::optional<MemoryAccess> stack_operand(const cs_insn& insn, uint16_t word) {
  const auto slots = [&](int8_t base, unsigned count, bool writes) {
    const int64_t displacement = writes ? -int64_t{word} : 0;
    return MemoryAccess{.operand = {.base = base, .displacement = displacement},
                        .bytes = static_cast<uint16_t>(count * word),
                        .reads = !writes,
                        .writes = writes};
  };
  switch (insn.id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHF:
    case X86_INS_PUSHFD:
    case X86_INS_PUSHFQ:
    case X86_INS_CALL:
    case X86_INS_ENTER:
      return slots(kSp, 1, true);
    case X86_INS_POP:
    case X86_INS_POPF:
    case X86_INS_POPFD:
    case X86_INS_POPFQ:
    case X86_INS_RET:
      return slots(kSp, 1, false);
    case X86_INS_RETF:
    case X86_INS_RETFQ:
      return slots(kSp, 2, false);
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
      return slots(kSp, 5, false);
    case X86_INS_LEAVE:
      return slots(kBp, 1, false);
    default:
      return std::nullopt;
  }
}

bool has_bit_offset(unsigned id) {
  return id == X86_INS_BT || id == X86_INS_BTS || id == X86_INS_BTR || id == X86_INS_BTC;
}

// Instructions that read and write their memory operand, if it is the destination (of XCHG, wherever it
// stands). By name, because Capstone 4 takes TEST for one and CMPXCHG, which writes even when the values
// differ, for none.
bool reads_and_writes(unsigned id) {
  switch (id) {
    case X86_INS_ADC:
    case X86_INS_ADD:
    case X86_INS_AND:
    case X86_INS_BTC:
    case X86_INS_BTR:
    case X86_INS_BTS:
    case X86_INS_CMPXCHG:
    case X86_INS_CMPXCHG8B:
    case X86_INS_CMPXCHG16B:
    case X86_INS_DEC:
    case X86_INS_INC:
    case X86_INS_NEG:
    case X86_INS_NOT:
    case X86_INS_OR:
    case X86_INS_RCL:
    case X86_INS_RCR:
    case X86_INS_ROL:
    case X86_INS_ROR:
    case X86_INS_SAL:
    case X86_INS_SAR:
    case X86_INS_SBB:
    case X86_INS_SHL:
    case X86_INS_SHLD:
    case X86_INS_SHR:
    case X86_INS_SHRD:
    case X86_INS_SUB:
    case X86_INS_XADD:
    case X86_INS_XCHG:
    case X86_INS_XOR:
      return true;
    default:
      return false;
  }
}

std::vector<MemoryAccess> memory_accesses(const cs_insn& insn, CodeSize size) {
  const cs_x86& x86 = insn.detail->x86;
  std::vector<MemoryAccess> list;
  for (unsigned i = 0; i < x86.op_count && insn.id != X86_INS_LEA && insn.id != X86_INS_NOP; ++i) {
    const cs_x86_op& operand = x86.operands[i];
    if (operand.type != X86_OP_MEM) continue;
    MemoryAccess access{.operand = memory_operand(operand),
                        .bytes = operand.size,
                        .reads = (operand.access & CS_AC_READ) != 0,
                        .writes = (operand.access & CS_AC_WRITE) != 0};
    if (has_bit_offset(insn.id) && x86.operands[1].type == X86_OP_REG)
      access.bit_register = register_number(x86.operands[1].reg);
    access.modifies = reads_and_writes(insn.id) && (i == 0 || insn.id == X86_INS_XCHG);
    if (access.modifies) access.reads = access.writes = true;
    // POP computes its destination with the stack pointer already moved (SDM vol. 2, POP).
    if (insn.id == X86_INS_POP && access.operand.base == kSp) access.operand.displacement += operand.size;
    list.push_back(access);
  }
  if (insn.id == X86_INS_XLATB && list.empty())
    list.push_back({.operand = {.base = kBx}, .bytes = 1, .reads = true});
  if (insn.id == X86_INS_XLATB) {
    list[0].operand.index = MemoryOperand::kNoRegister;
    list[0].adds_al = true;
  }
  if ((insn.id == X86_INS_MASKMOVDQU || insn.id == X86_INS_MASKMOVQ) && list.empty())
    list.push_back({.operand = {.base = kDi}, .bytes = 16, .writes = true});
  const uint16_t operand_prefix = x86.prefix[2];
  const uint16_t word = operand_prefix == 0x66  ? 2
                        : size == CodeSize::k64 ? 8
                        : size == CodeSize::k32 ? 4
                                                : 2;
  if (const auto stack = stack_operand(insn, word)) {
    // A source is read before it is pushed; a destination is written after it was popped.
    if (stack->reads)
      list.insert(list.begin(), *stack);
    else
      list.push_back(*stack);
  }
  return list;
}

// Instructions that Capstone 4 does not know: RDPID (F3 0F C7 /7), RDPKRU (0F 01 EE), WRPKRU (0F 01 EF).
std::optional<Instruction> decode_newer(std::span<const uint8_t> bytes) {
  Instruction out;
  if (bytes.size() >= 4 && bytes[0] == 0xf3 && bytes[1] == 0x0f && bytes[2] == 0xc7 &&
      (bytes[3] & 0xf8) == 0xf8) {
    out.op = SystemOp::kRdpid;
    out.length = 4;
    out.reg = static_cast<int8_t>(bytes[3] & 7);
    return out;
  }
  if (bytes.size() >= 3 && bytes[0] == 0x0f && bytes[1] == 0x01 && (bytes[2] == 0xee || bytes[2] == 0xef)) {
    out.op = bytes[2] == 0xee ? SystemOp::kRdpkru : SystemOp::kWrpkru;
    out.length = 3;
    return out;
  }
  return std::nullopt;
}

}  // namespace

struct Decoder::Handles {
  csh handle[3] = {};
  cs_insn* insn = nullptr;
};

Decoder::Decoder() : handles_(std::make_unique<Handles>()) {
  const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
  for (int i = 0; i < 3; ++i) {
    EMU_CHECK(cs_open(CS_ARCH_X86, modes[i], &handles_->handle[i]) == CS_ERR_OK, "Capstone does not open");
    cs_option(handles_->handle[i], CS_OPT_DETAIL, CS_OPT_ON);
  }
  handles_->insn = cs_malloc(handles_->handle[2]);
}

Decoder::~Decoder() {
  cs_free(handles_->insn, 1);
  for (csh& handle : handles_->handle) cs_close(&handle);
}

std::optional<MemoryAccesses> Decoder::decode_accesses(std::span<const uint8_t> bytes, CodeSize size) {
  const auto instruction = decode(bytes, size);
  if (!instruction) return std::nullopt;
  if (decode_newer(bytes)) return MemoryAccesses{.instruction = *instruction, .list = {}};
  return MemoryAccesses{.instruction = *instruction, .list = memory_accesses(*handles_->insn, size)};
}

std::optional<Instruction> Decoder::decode(std::span<const uint8_t> bytes, CodeSize size) {
  if (bytes.size() > 15) bytes = bytes.first(15);
  const csh handle = handles_->handle[size == CodeSize::k16 ? 0 : size == CodeSize::k32 ? 1 : 2];
  const uint8_t* code = bytes.data();
  size_t left = bytes.size();
  uint64_t address = 0;
  cs_insn* insn = handles_->insn;
  Instruction out;
  if (const auto newer = decode_newer(bytes)) return newer;
  if (!cs_disasm_iter(handle, &code, &left, &address, insn)) return std::nullopt;
  out.op = system_op(*insn);
  out.length = static_cast<uint8_t>(insn->size);
  out.rep_string = is_rep_string(*insn);
  out.address_bytes = insn->detail->x86.addr_size;
  const cs_x86& x86 = insn->detail->x86;
  out.interrupt_shadow = insn->id == X86_INS_STI ||
                         ((insn->id == X86_INS_MOV || insn->id == X86_INS_POP) && writes_ss(x86)) ||
                         insn->id == X86_INS_LSS;
  out.software_interrupt = insn->id == X86_INS_INT || insn->id == X86_INS_INT3 || insn->id == X86_INS_INTO ||
                           insn->id == X86_INS_INT1;
  out.loads_segment = loads_segment(*insn);
  if (out.op != SystemOp::kNone) fill_operands(out, *insn);
  return out;
}

}  // namespace mmuscope
