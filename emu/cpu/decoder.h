// SPDX-License-Identifier: GPL-2.0-or-later
//
// What engine and machine need to know about instructions, by Capstone: where each begins and ends, and which
// ones the machine executes itself (SystemOp). Nothing else of an instruction is interpreted here. Pure:
// bytes in, values out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace mmuscope {

// Instructions that machine/ executes: they touch control registers, MSRs, ports, time or the TLB.
enum class SystemOp : uint8_t {
  kNone,
  kMovToCr,
  kMovFromCr,
  kMovToDr7,
  kClts,
  kLmsw,
  kInvlpg,
  kInvpcid,
  kRdmsr,
  kWrmsr,
  kRdtsc,
  kRdtscp,
  kRdpmc,
  kCpuid,
  kIn,
  kOut,
  kIns,
  kOuts,
  kHlt,
  kSyscall,
  kSysenter,
  kSysexit,
  kRdpkru,
  kWrpkru,
  kXgetbv,
  kXsetbv,
  kMonitor,
  kMwait,
  kRdpid,
  kUnavailable /* RDRAND, RDSEED: the engine has them, this processor does not */,
};

// A memory operand as encoded; registers are general-register numbers (0-15), or the constants below.
struct MemoryOperand {
  static constexpr int8_t kNoRegister = -1;
  static constexpr int8_t kRipRegister = 16;
  int8_t base = kNoRegister;
  int8_t index = kNoRegister;
  uint8_t scale = 1;
  int8_t segment = kNoRegister;  // x86::SegmentName of an override, FS and GS matter
  int64_t displacement = 0;
};

struct Instruction {
  SystemOp op = SystemOp::kNone;
  uint8_t length = 0;
  uint8_t operand_bytes = 0;  // IN/OUT: 1, 2, 4; MOV CR: 8
  uint8_t control_register = 0;
  int8_t reg = 0;                   // general register operand
  bool port_in_dx = false;          // IN/OUT
  uint8_t port = 0;                 // IN/OUT with an immediate
  uint8_t address_bytes = 8;        // 2, 4 or 8
  bool rep_string = false;          // REP/REPE/REPNE string instruction: executed an iteration at a time
  bool interrupt_shadow = false;    // STI, MOV SS, POP SS
  bool software_interrupt = false;  // INT n, INT3, INTO, INT1
  bool loads_segment = false;       // may read GDT or LDT: MOV Sreg, POP Sreg, LAR, far transfers, ...
  MemoryOperand memory;             // INVLPG, INVPCID
};

// One access of an instruction to memory. Several stand in the order in which the engine makes them.
struct MemoryAccess {
  MemoryOperand operand;
  uint16_t bytes = 0;  // 0: not known
  bool reads = false;
  bool writes = false;
  bool modifies = false;  // read-modify-write: a write from the start
  int8_t bit_register =
      MemoryOperand::kNoRegister;  // BT, BTS, ...: the bit offset, signed, moves the operand
  bool adds_al = false;            // XLAT
};

struct MemoryAccesses {
  Instruction instruction;
  std::vector<MemoryAccess> list;
};

// Whether an engine must stop before it. Reads of CR0, CR2, CR3 and CR4 need not: the engine holds their
// values.
constexpr bool stops_the_run(const Instruction& instruction) {
  if (instruction.op == SystemOp::kMovFromCr) return instruction.control_register > 4;
  return instruction.op != SystemOp::kNone;
}

enum class CodeSize : uint8_t { k16 = 16, k32 = 32, k64 = 64 };

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // The first instruction in `bytes`; nullopt when it is invalid or not wholly there. Instructions that
  // Capstone 4 does not know but the processor has are treated as invalid, which ends a block there.
  std::optional<Instruction> decode(std::span<const uint8_t> bytes, CodeSize size);
  // The same, with every access to memory that the instruction makes for its operands and the stack; not
  // those to descriptor tables and the TSS.
  std::optional<MemoryAccesses> decode_accesses(std::span<const uint8_t> bytes, CodeSize size);

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

}  // namespace mmuscope
