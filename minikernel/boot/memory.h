// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory at boot: the kernel's page table, its stacks, the frame table, and at last the frame allocator.
// Until that is up, memory is taken from the end of the kernel's image upwards and never given back.
#pragma once

#include <stdint.h>

namespace mk {

inline constexpr uint64_t kKernelStackBytes = 16384;

// Builds and activates the kernel's page table: direct map, image with its rights, local APIC.
void map_kernel_memory();
// Makes a kernel stack between unmapped pages, and one page for each of the two IST stacks. Returns the top.
struct BootStacks {
  uint64_t kernel, double_fault, nmi;
};
BootStacks make_boot_stacks(unsigned cpu);
// Frame table and counts, announced to the machine; everything unused goes to the frame allocator.
void init_frames();

// Where map_kernel_memory() put the local APIC's registers.
extern volatile uint32_t* local_apic_registers;

}  // namespace mk
