// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/reclaim.h"

#include "init.h"
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

namespace {

// How much is won by killing it (Linux's oom_badness): pages and page tables, and a thousandth of all for
// each point that the process was given in oom_score_adj. Negative: never.
int64_t badness(const Process& process, const Task& task) {
  constexpr int kNever = -1000;
  if (process.oom_score_adj == kNever) return -1;
  auto pages = static_cast<int64_t>(task.mm->rss_pages() + task.mm->page_table_bytes() / kPageSize);
  int64_t points = pages + process.oom_score_adj * static_cast<int64_t>(total_frame_count()) / 1000;
  return points > 0 ? points : 0;
}

}  // namespace

bool out_of_memory() {
  SpinlockGuard guard(tasks_lock);
  Process* victim = nullptr;
  int64_t most = 0;
  for (Process* process = next_process(0); process != nullptr; process = process->next) {
    for (Task* task = process->threads; task != nullptr; task = task->next_thread) {
      if (!task->mm) continue;
      // Somebody is ending already: what it has comes free.
      if (process->group_exit || kill_pending(*task)) return process != current().process.raw();
      // Init last: with it everybody ends. Among equals the youngest.
      bool only_choice = victim == nullptr || victim->tgid == kInitPid;
      if (badness(*process, *task) < 0 || (!only_choice && badness(*process, *task) < most)) continue;
      most = badness(*process, *task);
      victim = process;
    }
  }
  if (victim == nullptr) victim = current().process.raw();  // nobody may be killed, and somebody has to
  // The machine looks for this line (emu/cli/kernel_log.cpp).
  log("%s[%d]: out of memory: killed", victim->threads->name, victim->tgid);
  count_vm_event(VmEvent::kOomKill);
  siginfo_t info = {};
  info.si_signo = SIGKILL;
  info.si_code = SI_KERNEL;
  send_process_signal_locked(*victim, info);
  return victim != current().process.raw();
}

}  // namespace mk
