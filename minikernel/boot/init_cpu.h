// SPDX-License-Identifier: GPL-2.0-or-later
//
// What every CPU does for itself when it starts.
#pragma once

#include "arch/x86_64/percpu.h"
#include "boot/memory.h"

namespace mk {

// Fills the descriptor tables of a CPU; by whoever starts it.
void prepare_cpu(PerCpu& cpu, const BootStacks& stacks);
// Protection bits, descriptor tables, traps, local APIC. On the CPU itself.
void init_cpu(PerCpu& cpu);

// On the boot CPU, when the machine is ready for programs: init.cpp.
[[noreturn]] void kernel_main();

}  // namespace mk
