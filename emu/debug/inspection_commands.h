// SPDX-License-Identifier: GPL-2.0-or-later
//
// The commands that only look: walk, pt, vma, ps, frame, why, when. All of them are about one CPU, the front
// end's choice, or the one whose turn it is.
#pragma once

#include <optional>
#include <span>

#include "debug/address_parser.h"
#include "debug/commands.h"
#include "debug/inspector.h"
#include "debug/kernel_types.h"
#include "debug/kernel_view.h"
#include "debug/target.h"

namespace mmuscope::debug {

// What the commands work with. Must outlive the Commands it is added to, and stay where it is.
class Inspection {
 public:
  // `kernel_elf`: the image that runs inside; it may lack symbols and debug information, which are then
  // missed when they are asked for. `features`: those of the machine's CPUs.
  Inspection(Target& target, std::span<const uint8_t> kernel_elf, const x86::CpuFeatures& features = {});
  Inspection(const Inspection&) = delete;
  Inspection& operator=(const Inspection&) = delete;

  // Nothing: the CPU whose turn it is.
  void select_cpu(std::optional<unsigned> cpu) { cpu_ = cpu; }
  unsigned cpu() const { return cpu_ && *cpu_ < target_.cpu_count() ? *cpu_ : target_.current_cpu(); }

  Target& target() const { return target_; }
  Symbols& symbols() { return symbols_; }  // the kernel's are there, a program's are to be added
  const Symbols& symbols() const { return symbols_; }
  const KernelTypes& types() const { return types_; }
  const Inspector& inspector() const { return inspector_; }
  const KernelView& kernel() const { return kernel_; }

  // For commands added from elsewhere, too: with the selected CPU's registers.
  Expected<uint64_t> address(const std::string& text) const {
    return parse_address(text, target_.state(cpu()), symbols_, types_);
  }

 private:
  Target& target_;
  std::optional<unsigned> cpu_;
  Symbols symbols_;
  KernelTypes types_;
  Inspector inspector_;
  KernelView kernel_;
};

void add_inspection(Commands& commands, Inspection& inspection);

}  // namespace mmuscope::debug
