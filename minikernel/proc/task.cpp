// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/task.h"

#include "arch/x86_64/clock.h"
#include "arch/x86_64/trace.h"
#include "init.h"
#include "lib/assert.h"
#include "lib/string.h"

namespace mk {

// Linux's INIT_RLIMITS (include/asm-generic/resource.h); descriptors up to what a FileTable holds.
Task::Task() {
  for (Limit& limit : limits) limit = {RLIM_INFINITY, RLIM_INFINITY};
  limits[RLIMIT_STACK] = {8ul << 20, RLIM_INFINITY};
  limits[RLIMIT_CORE] = {0, RLIM_INFINITY};
  limits[RLIMIT_NOFILE] = {FileTable::kMaxFiles, FileTable::kMaxFiles};
  limits[RLIMIT_MEMLOCK] = {8ul << 20, 8ul << 20};
  limits[RLIMIT_MSGQUEUE] = {819200, 819200};
  limits[RLIMIT_NICE] = {0, 0};
  limits[RLIMIT_RTPRIO] = {0, 0};
  fpu_init(fpu);
  start_ns = now_ns();
}

void Task::set_name(const char* path) {
  const char* base = path;
  for (const char* at = path; *at != 0; ++at)
    if (*at == '/') base = at + 1;
  memset(name, 0, sizeof(name));
  memcpy(name, base, strnlen(base, kNameSize - 1));
}

void do_exit(int status) {
  Task& task = current();
  int shell_status = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
  trace(TraceType::kTaskExit, task.pid, shell_status);
  flush_signals(task);
  int pid = task.pid;
  destroy(&task);
  this_cpu().current = nullptr;
  if (pid == kInitPid) init_exited(shell_status);
  panic("task %d ended, and there is nothing else to run", pid);
}

}  // namespace mk
