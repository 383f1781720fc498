// SPDX-License-Identifier: GPL-2.0-or-later
//
// Selectors, with Linux's values (arch/x86/include/asm/segment.h), because programs see theirs in signal
// frames. The order is what SYSCALL and SYSRET ask for (SDM Vol. 3, 5.8.8).
#pragma once

#include <stdint.h>

namespace mk {

inline constexpr uint16_t kKernelCodeSelector = 0x10;
inline constexpr uint16_t kKernelDataSelector = 0x18;
inline constexpr uint16_t kUserDataSelector = 0x2b;
inline constexpr uint16_t kUserCodeSelector = 0x33;
inline constexpr uint16_t kTssSelector = 0x40;

// Interrupt stack table entries: exceptions that must not trust the stack pointer.
inline constexpr unsigned kIstDoubleFault = 1;
inline constexpr unsigned kIstNmi = 2;

// SDM Vol. 3, 7.7.
struct [[gnu::packed]] TaskStateSegment {
  uint32_t reserved0;
  uint64_t rsp[3];
  uint64_t reserved1;
  uint64_t ist[7];
  uint64_t reserved2;
  uint16_t reserved3;
  uint16_t io_map_base;
};
static_assert(sizeof(TaskStateSegment) == 104);

struct DescriptorTables {
  uint64_t gdt[10];
  TaskStateSegment tss;
};

// `kernel_stack` is where exceptions of user code start, the others are for the IST.
void fill_descriptor_tables(DescriptorTables& tables, uint64_t kernel_stack, uint64_t double_fault_stack,
                            uint64_t nmi_stack);
// Makes this CPU use them. Leaves the GS base at 0.
void load_descriptor_tables(DescriptorTables& tables);

}  // namespace mk
