// SPDX-License-Identifier: GPL-2.0-or-later
//
// Descriptors of processes: pidfd_open(2), Linux fs/pidfs.c. Such a file refers to one process, whatever its
// number is used for later; it can be polled for the process's end. Threads have none (no PIDFD_THREAD).
#pragma once

#include "fs/file.h"
#include "lib/result.h"
#include "proc/process.h"

namespace mk {

// `flags`: O_NONBLOCK. ENOMEM.
Result<Ref<File>> make_pid_fd(const Ref<Process>& process, unsigned flags);
// The process behind a file; null: it is another kind of file.
Process* process_of_file(const File& file);

}  // namespace mk
