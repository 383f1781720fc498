// SPDX-License-Identifier: GPL-2.0-or-later
//
// The terminal on the serial line. Output goes as it is. Input comes in lines (canonical mode) without echo
// or editing, because whoever types has a terminal of his own that does both: a read waits for a line end or
// for the byte 0x04, which ends the line without being part of it; alone it is the end of input for that one
// read. With ICANON cleared, a read takes what has come, at least one byte. With ISIG set, the bytes of
// VINTR, VQUIT and VSUSP are signals for the group in the foreground; whoever reads without being there gets
// SIGTTIN (proc/job_control.h).
#pragma once

#include "fs/inode.h"

namespace mk {

Ref<Inode> make_console(uint64_t device);

// For the idle loop: a program waits for input and nothing else is going to happen; has a look whether some
// has come (which waits for it, in a machine that reads its host's input on demand). True: a program has been
// woken.
bool console_wants_input();
bool poll_console();

}  // namespace mk
