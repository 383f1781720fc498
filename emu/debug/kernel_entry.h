// SPDX-License-Identifier: GPL-2.0-or-later
//
// Over the kernel's border, from its entry code (minikernel/arch/x86_64/entry.S) to what was interrupted.
// How far that assembly has come is seen from how many registers it has pushed, instruction by instruction
// from its last label on; its labels also say what it was entered by, which its call frame information
// does not.
#pragma once

#include <optional>

#include "debug/backtrace.h"

namespace mmuscope::debug {

// What was interrupted, with entered_by "<page fault>", "<system call write>", ...; nothing when `frame` is
// not in the entry code, or its place there tells nothing.
std::optional<Frame> interrupted_frame(const Frame& frame, const CpuMemory& memory, const Symbols& symbols,
                                       const Disassembler& disassembler);

// The address is in the entry code.
bool is_kernel_entry(const Symbols& symbols, uint64_t address);

}  // namespace mmuscope::debug
