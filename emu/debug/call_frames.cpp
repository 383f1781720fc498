// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/call_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>

#include <cstdlib>
#include <memory>

namespace mmuscope::debug {
namespace {

// System V ABI for AMD64, figure 3.36: DWARF's numbers are not the processor's.
constexpr unsigned kGprOfDwarf[16] = {0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr size_t kSpOfDwarf = 7;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// DWARF expressions (2.5) as far as call frame information has them.
class Expression {
 public:
  Expression(const Frame& frame, const CpuMemory& memory, uint64_t cfa)
      : frame_(frame), memory_(memory), cfa_(cfa) {}

  struct Result {
    uint64_t value = 0;
    bool is_address = true;  // of the value; otherwise it is the value
  };
  std::optional<Result> run(std::span<const Dwarf_Op> operations) {
    Result result;
    for (const Dwarf_Op& operation : operations) {
      if (operation.atom == DW_OP_stack_value) {
        result.is_address = false;
      } else if (operation.atom >= DW_OP_reg0 && operation.atom < DW_OP_reg16) {
        push(reg(operation.atom - DW_OP_reg0));
        result.is_address = false;
      } else if (operation.atom == DW_OP_regx) {
        push(reg(operation.number));
        result.is_address = false;
      } else if (!step(operation)) {
        return {};
      }
      if (depth_ == kDeepest) return {};
    }
    if (depth_ == 0) return {};
    result.value = stack_[depth_ - 1];
    return result;
  }

 private:
  static constexpr size_t kDeepest = 16;

  void push(uint64_t value) { stack_[depth_++] = value; }
  uint64_t reg(uint64_t number) const {
    return number < 16 ? frame_.gpr[kGprOfDwarf[number]] : number == 16 ? frame_.pc : 0;
  }

  bool step(const Dwarf_Op& operation) {
    const uint8_t atom = operation.atom;
    if (atom >= DW_OP_breg0 && atom <= DW_OP_breg16)
      return push(reg(atom - DW_OP_breg0) + operation.number), true;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31) return push(atom - DW_OP_lit0), true;
    switch (atom) {
      case DW_OP_bregx:
        return push(reg(operation.number) + operation.number2), true;
      case DW_OP_call_frame_cfa:
        return push(cfa_), true;
      case DW_OP_const1u:
      case DW_OP_const1s:
      case DW_OP_const2u:
      case DW_OP_const2s:
      case DW_OP_const4u:
      case DW_OP_const4s:
      case DW_OP_const8u:
      case DW_OP_constu:
      case DW_OP_consts:
        return push(operation.number), true;
      case DW_OP_plus_uconst:
        return depth_ > 0 && (stack_[depth_ - 1] += operation.number, true);
      case DW_OP_deref: {
        if (depth_ == 0) return false;
        const auto word = memory_.word(stack_[depth_ - 1]);
        if (word) stack_[depth_ - 1] = *word;
        return word.has_value();
      }
      default:
        return binary(atom);
    }
  }

  bool binary(uint8_t atom) {
    if (depth_ < 2) return false;
    const uint64_t right = stack_[--depth_];
    uint64_t& left = stack_[depth_ - 1];
    switch (atom) {
      case DW_OP_plus:
        return left += right, true;
      case DW_OP_minus:
        return left -= right, true;
      case DW_OP_and:
        return left &= right, true;
      case DW_OP_shl:
        return left = right < 64 ? left << right : 0, true;
      case DW_OP_ge:  // the lazy binding of procedure linkage tables
        return left = static_cast<int64_t>(left) >= static_cast<int64_t>(right), true;
      default:
        return false;
    }
  }

  const Frame& frame_;
  const CpuMemory& memory_;
  uint64_t cfa_;
  std::array<uint64_t, kDeepest + 1> stack_{};
  size_t depth_ = 0;
};

}  // namespace

CallFrames::CallFrames(std::span<const uint8_t> elf, uint64_t bias)
    : elf_(open_elf(elf)), dwarf_(open_dwarf(elf_)), bias_(bias) {
  if (elf_ != nullptr) tables_[0] = dwarf_getcfi_elf(elf_.get());
  if (dwarf_ != nullptr) tables_[1] = dwarf_getcfi(dwarf_.get());
}

CallFrames::~CallFrames() {
  if (tables_[0] != nullptr) dwarf_cfi_end(tables_[0]);
}

std::optional<CallFrames::Answer> CallFrames::caller(const Frame& frame, const CpuMemory& memory) const {
  for (Dwarf_CFI* table : tables_) {
    Dwarf_Frame* rules = nullptr;
    if (table == nullptr || dwarf_cfi_addrframe(table, frame.lookup() - bias_, &rules) != 0) continue;
    const std::unique_ptr<Dwarf_Frame, Free> owner(rules);
    return apply(rules, frame, memory);
  }
  return {};
}

CallFrames::Answer CallFrames::apply(Dwarf_Frame_s* rules, const Frame& frame,
                                     const CpuMemory& memory) const {
  Dwarf_Op* operations = nullptr;
  size_t count = 0;
  bool signal = false;
  const int return_register = dwarf_frame_info(rules, nullptr, nullptr, &signal);
  if (return_register < 0 || dwarf_frame_cfa(rules, &operations, &count) != 0 || count == 0) return {};
  const auto cfa = Expression(frame, memory, 0).run({operations, count});
  if (!cfa) return {};

  Frame caller = frame;
  caller.entered_by.clear();
  caller.exact = signal;
  for (int number = 0; number <= 16; ++number) {
    Dwarf_Op simple[3];
    if (dwarf_frame_register(rules, number, simple, &operations, &count) != 0) continue;
    uint64_t value = 0;
    if (count != 0) {
      const auto found = Expression(frame, memory, cfa->value).run({operations, count});
      if (!found) return {};
      const auto word = found->is_address ? memory.word(found->value) : std::optional(found->value);
      if (!word) return {};
      value = *word;
    } else if (number == return_register) {
      return {};  // undefined: the outermost frame
    } else if (number == kSpOfDwarf) {
      value = cfa->value;
    } else {
      continue;  // unchanged, or lost
    }
    if (number == return_register) {
      caller.pc = value;
    } else if (number < 16) {
      caller.gpr[kGprOfDwarf[number]] = value;
    }
  }
  return {.caller = caller, .cfa = cfa->value};
}

}  // namespace mmuscope::debug
