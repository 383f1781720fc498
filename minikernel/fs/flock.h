// SPDX-License-Identifier: GPL-2.0-or-later
//
// Advisory locks on open files (flock(2)): shared by many or exclusive to one, kept in the File and counted
// in the Inode, gone when the File is closed. Converting a lock gives the old one up first, as Linux does.
#pragma once

#include "fs/file.h"

namespace mk {

// `type`: LOCK_SH, LOCK_EX or LOCK_UN. 0, or -EWOULDBLOCK when somebody else's lock is in the way.
long flock_try(File& file, int type);
// Waits for it instead. -ERESTARTSYS for a signal.
long flock_wait(File& file, int type);

}  // namespace mk
