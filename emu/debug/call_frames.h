// SPDX-License-Identifier: GPL-2.0-or-later
//
// Call frame information of one ELF image (DWARF 5, 6.4), read by libdw: from the registers in a function to
// those of its caller.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "debug/backtrace.h"
#include "debug/elf_image.h"

struct Dwarf_CFI_s;
struct Dwarf_Frame_s;

namespace mmuscope::debug {

class CallFrames {
 public:
  // `elf` must stay where it is. An image without such information knows no callers.
  CallFrames(std::span<const uint8_t> elf, uint64_t bias);
  ~CallFrames();
  CallFrames(const CallFrames&) = delete;
  CallFrames& operator=(const CallFrames&) = delete;

  struct Answer {
    std::optional<Frame> caller;  // nothing: this is the outermost frame, or memory is not there
    uint64_t cfa = 0;             // the frame's, if there is a caller
  };
  // Nothing when it does not cover the address.
  std::optional<Answer> caller(const Frame& frame, const CpuMemory& memory) const;

 private:
  Answer apply(Dwarf_Frame_s* rules, const Frame& frame, const CpuMemory& memory) const;

  ElfHandle elf_;
  DwarfHandle dwarf_;
  Dwarf_CFI_s* tables_[2] = {};  // .eh_frame, owned; .debug_frame, of dwarf_
  uint64_t bias_ = 0;
};

}  // namespace mmuscope::debug
