// SPDX-License-Identifier: GPL-2.0-or-later
//
// Segment descriptors: from the bytes in GDT or LDT to a segment register's hidden part. SDM vol. 3, 3.4.5
// (code and data), 3.5 and 8.2.3 (system descriptors, 16 bytes in IA-32e mode):
//
//   63      56  55 54  53 52  51       48 47 46 45 44 43  40 39      16 15       0
//   base 31:24  G  D/B L  AVL limit 19:16 P  DPL   S  type   base 23:0  limit 15:0   (+ 8 bytes: base 63:32)
//
// Reads only: it judges table limits, not types or privileges, which differ from instruction to instruction,
// and it does not set the accessed bit in memory (CAVEATS.md).
#pragma once

#include <cstdint>
#include <expected>

#include "x86/cpu_state.h"
#include "x86/event_delivery.h"

namespace mmuscope::x86 {

constexpr bool is_null_selector(uint16_t selector) { return (selector & ~3u) == 0; }

// An exception about a selector: the error code holds index and TI, RPL cleared (SDM 6.13).
Event selector_exception(uint8_t vector, uint16_t selector);

// `high` is the second quadword of a 16-byte descriptor, 0 for the others.
Segment parse_descriptor(uint16_t selector, uint64_t low, uint64_t high);

// The null selector loaded into a data segment register or, in 64-bit mode, by a stack switch into SS.
Segment null_segment(uint16_t selector, unsigned dpl);

// The descriptor that `selector` names; the caller judges it. #GP(0) for a null selector, #GP(selector)
// beyond the table (or an LDT selector without an LDT), and whatever reading the table raises.
std::expected<Segment, Event> load_descriptor(const CpuState& state, uint16_t selector, SystemMemory& memory);

}  // namespace mmuscope::x86
