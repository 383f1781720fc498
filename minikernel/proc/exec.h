// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs: static ELF executables, fixed (ET_EXEC) or position-independent (ET_DYN without an interpreter),
// loaded and given their first stack as Linux does (fs/binfmt_elf.c, and the x86-64 psABI, 3.4.1).
#pragma once

#include "arch/x86_64/trap_frame.h"
#include "proc/argument_buffer.h"
#include "proc/task.h"

namespace mk {

// Makes the running task run the program at `path` from `frame` on, the only thread of its process then.
// -errno when it cannot: then the task is as it was (but for its other threads, once they had to end). While
// the program runs nobody can open its file for writing (ETXTBSY).
long exec(Task& task, const char* path, const ArgumentBuffer& arguments, const ArgumentBuffer& environment,
          TrapFrame& frame, int scripts = 0);
// The same with an open file; `path` is what the program hears of it.
long exec_file(Task& task, File& file, const char* path, const ArgumentBuffer& arguments,
               const ArgumentBuffer& environment, TrapFrame& frame, int scripts = 0);

}  // namespace mk
