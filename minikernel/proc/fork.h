// SPDX-License-Identifier: GPL-2.0-or-later
//
// New tasks: Linux kernel/fork.c.
#pragma once

#include <stdint.h>

namespace mk {

struct Task;

// As clone3's struct clone_args names them.
struct CloneArguments {
  uint64_t flags = 0;  // CLONE_*, without the signal
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  int exit_signal = 0;
  uint64_t stack_pointer = 0;  // 0: the parent's
  uint64_t tls = 0;
  uint64_t pidfd = 0;  // where CLONE_PIDFD puts the descriptor
};

// Makes a task that goes on where the running one is, with 0 as result. Its pid, or -errno.
long clone_task(const CloneArguments& arguments);

// For boot: a first task with a process of its own that begins in `entry`, pid and tgid 1. Not yet runnable.
Task* make_init_task(void (*entry)());

// The task no longer uses its vfork parent's memory.
void vfork_is_done(Task& task);

}  // namespace mk
