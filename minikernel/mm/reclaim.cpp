// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/reclaim.h"

#include "lib/log.h"
#include "mm/frame_allocator.h"
#include "mm/vmstat.h"
#include "proc/kernel_stack.h"
#include "proc/task.h"

namespace mk {

bool reclaim_frames() {
  bool dropped = this_cpu().dropped.count > 0;
  drain_dropped_frames();
  return release_free_stacks() || dropped;
}

bool out_of_memory() {
  SpinlockGuard guard(tasks_lock);
  Process* largest = nullptr;
  Task* victim = nullptr;
  uint64_t most = 0;
  for (Process* process = next_process(0); process != nullptr; process = process->next) {
    for (Task* task = process->threads; task != nullptr; task = task->next_thread) {
      if (!task->mm) continue;
      // Somebody is ending already: what it has comes free.
      if (process->group_exit || kill_pending(*task)) return process != current().process.raw();
      if (task->mm->rss_pages() <= most) continue;
      most = task->mm->rss_pages();
      largest = process;
      victim = task;
    }
  }
  if (largest == nullptr) return false;
  // The machine looks for this line (emu/cli/kernel_log.cpp).
  log("%s[%d]: out of memory: killed", victim->name, largest->tgid);
  count_vm_event(VmEvent::kOomKill);
  siginfo_t info = {};
  info.si_signo = SIGKILL;
  info.si_code = SI_KERNEL;
  send_process_signal_locked(*largest, info);
  return largest != current().process.raw();
}

}  // namespace mk
