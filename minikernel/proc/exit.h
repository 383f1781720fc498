// SPDX-License-Identifier: GPL-2.0-or-later
//
// How tasks and processes end, and how a parent hears of it: Linux kernel/exit.c.
#pragma once

#include <stdint.h>

#include "proc/process.h"

namespace mk {

struct ChildStatus {
  int pid = 0;
  int status = 0;  // as wait4 shows it
  int code = 0;    // CLD_* of waitid
  Usage usage;
};

// Which children a wait call is about.
struct WaitFor {
  enum class Who { kAny, kPid, kGroup, kProcess } who = Who::kAny;
  int id = 0;
  const Process* process = nullptr;  // kProcess: that very one, whatever its number is now
  uint32_t options = 0;              // WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WALL, __WCLONE
};

// Waits for a child, or a tracee, that has something to tell. 0 with `found.pid` 0: WNOHANG, and none has.
// -ECHILD, -ERESTARTSYS.
long wait_for_child(const WaitFor& what, ChildStatus& found);

// Ends the other threads of the running task's process and waits until they are gone: what exec does first.
// -EINTR: the process is ending itself.
long end_other_threads();

}  // namespace mk
