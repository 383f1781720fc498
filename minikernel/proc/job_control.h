// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sessions, process groups and the one terminal there is: Linux drivers/tty/tty_jobctrl.c. A session whose
// leader has taken the terminal controls it; one of the session's groups is in the foreground and may read.
// When the machine starts the terminal belongs to init's session. All state is guarded by tasks_lock.
#pragma once

#include <stdint.h>

#include "lib/result.h"
#include "proc/process.h"

namespace mk {

// --- For the terminal's ioctls; 0 or -errno, without locks.

// The running task uses the terminal in a way that only the foreground may; `number` is what stops the
// others: SIGTTIN or SIGTTOU. -ERESTARTSYS: the signal is sent. -EIO: there is nobody to continue it.
long check_foreground(int number);
bool has_controlling_terminal();
long take_terminal(bool from_others);  // TIOCSCTTY
long give_terminal_up();               // TIOCNOTTY
Result<int> terminal_session();
Result<int> foreground_group();
long set_foreground_group(int group);
// What somebody types that is a signal.
void signal_foreground(int number);

// --- All of these need tasks_lock.

void send_group_signal_locked(int group, const siginfo_t& info);
// Nobody in the session, outside the group, could continue it with a shell: POSIX's orphaned process group.
// `ending` counts no more.
bool is_orphaned_group_locked(int group, const Process* ending = nullptr);
// The last thread of a process ends; its children are still its own. Hangs up what it leaves behind.
void leave_jobs_locked(Process& ending);
// For /proc: the group in the foreground; 0 when the process has no terminal.
int foreground_group_locked(const Process& process);
void start_terminal_locked(Process& init);

}  // namespace mk
