// SPDX-License-Identifier: GPL-2.0-or-later
//
// From one kernel stack to another. A task that does not run keeps on its stack the registers that C++
// functions preserve, and their address in `saved`.
#pragma once

#include <stdint.h>

namespace mk {

struct Task;

// Leaves the running stack at `saved` and goes on where `next` was left. Returns on this stack, some day, the
// task that ran before it then.
extern "C" Task* switch_context(Task& self, uint64_t& saved, uint64_t next);

// Makes a stack, empty from `top` down, begin in begin_task(the task that ran before).
void prepare_context(uint64_t& saved, uint64_t top);

}  // namespace mk
