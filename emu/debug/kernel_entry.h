// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's border: which addresses are its entry code (minikernel/arch/x86_64/entry.S), and by what it
// was entered. The way over it is in that code's call frame information, whose CFA is the end of a TrapFrame
// (trap_frame.h).
#pragma once

#include <string>

#include "debug/backtrace.h"

namespace mmuscope::debug {

// The address is in the entry code.
bool is_kernel_entry(const Symbols& symbols, uint64_t address);

// "<page fault>", "<system call write>", ... for a frame of the entry code, with its CFA.
std::string kernel_entered_by(const Frame& frame, uint64_t cfa, const CpuMemory& memory,
                              const Symbols& symbols);

}  // namespace mmuscope::debug
