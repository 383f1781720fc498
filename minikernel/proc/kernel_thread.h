// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads of the kernel itself: tasks without memory, files or user code, which no program sees. Each has a
// process of its own in no table, so that limits and signals can be asked for and there are none. A thread
// ends when its function returns; the machine does not end before all have.
#pragma once

namespace mk {

// Runs function(argument) in a new task. False: memory is out, or there are too many tasks.
bool start_kernel_thread(const char* name, void (*function)(void*), void* argument);
unsigned kernel_threads();

}  // namespace mk
