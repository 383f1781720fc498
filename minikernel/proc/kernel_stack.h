// SPDX-License-Identifier: GPL-2.0-or-later
//
// Kernel stacks of tasks: four pages each between unmapped ones, at fixed places (memory_layout.h). A few
// that are free stay mapped for the next task; their frames come back when memory is short.
#pragma once

#include <stdint.h>

namespace mk {

uint64_t alloc_kernel_stack();         // the address above it; 0 when memory or places are out
void free_kernel_stack(uint64_t top);  // nobody runs on it any more
// Gives the frames of free stacks back; false: there were none.
bool release_free_stacks();

}  // namespace mk
