// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/job_control.h"

#include <asm/errno.h>

#include "proc/task.h"

namespace mk {
namespace {

// 0: none.
int session_of_terminal;
int foreground;

siginfo_t from_kernel(int number) {
  siginfo_t info = {};
  info.si_signo = number;
  info.si_code = SI_KERNEL;
  return info;
}

// Calls visit(Process&) for all that have not ended.
template <typename Visit>
void for_each_in_group(int group, Visit visit) {
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    if (process->group == group && !process->zombie) visit(*process);
}

bool exists(int group) {
  bool any = false;
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    any |= process->group == group;
  return any;
}

// Nobody has the terminal any more who had it.
void clear_terminal() {
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    if (process->session == session_of_terminal) process->has_terminal = false;
  session_of_terminal = foreground = 0;
}

void hang_up(int group) {
  if (group == 0) return;
  send_group_signal_locked(group, from_kernel(SIGHUP));
  send_group_signal_locked(group, from_kernel(SIGCONT));
}

bool is_session_leader(const Process& process) { return process.session == process.tgid; }

// A group that loses its last link to a shell with `ending`, while some of it are stopped, would stay so.
void hang_up_if_orphaned(int group, const Process& ending) {
  bool any_stopped = false;
  for_each_in_group(group, [&](const Process& process) { any_stopped |= process.stopped; });
  if (any_stopped && is_orphaned_group_locked(group, &ending)) hang_up(group);
}

// Whether `process` keeps its group from being orphaned, by its parent.
bool is_link(const Process& process) {
  const Process* parent = process.parent;
  return parent == nullptr || (parent->group != process.group && parent->session == process.session);
}

}  // namespace

void send_group_signal_locked(int group, const siginfo_t& info) {
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    if (process->group == group) send_shared_signal_locked(*process, info);
}

bool is_orphaned_group_locked(int group, const Process* ending) {
  bool orphaned = true;
  for_each_in_group(group, [&](const Process& process) {
    bool loses = &process == ending || (ending != nullptr && process.parent == ending);
    if (!loses && is_link(process)) orphaned = false;
  });
  return orphaned;
}

long check_foreground(int number) {
  Task& task = current();
  Process& self = *task.process;
  SpinlockGuard guard(tasks_lock);
  if (!self.has_terminal || foreground == 0 || self.group == foreground) return 0;
  bool deaf = (task.signals.blocked & signal_bit(number)) || task.handlers->action(number).handler == 1;
  if (deaf) return number == SIGTTIN ? -EIO : 0;
  if (is_orphaned_group_locked(self.group)) return -EIO;
  send_group_signal_locked(self.group, from_kernel(number));
  return -kRestartSys;
}

bool has_controlling_terminal() { return current().process->has_terminal; }

long take_terminal(bool from_others) {
  SpinlockGuard guard(tasks_lock);
  Process& self = *current().process;
  if (is_session_leader(self) && self.session == session_of_terminal) return 0;
  if (!is_session_leader(self) || self.has_terminal) return -EPERM;
  if (session_of_terminal != 0) {
    if (!from_others) return -EPERM;
    clear_terminal();
  }
  session_of_terminal = self.session;
  foreground = self.group;
  self.has_terminal = true;
  return 0;
}

long give_terminal_up() {
  SpinlockGuard guard(tasks_lock);
  Process& self = *current().process;
  if (!self.has_terminal) return -ENOTTY;
  if (is_session_leader(self)) {
    hang_up(foreground);
    clear_terminal();
  }
  self.has_terminal = false;
  return 0;
}

Result<int> terminal_session() {
  SpinlockGuard guard(tasks_lock);
  if (!current().process->has_terminal || session_of_terminal == 0) return Errno{ENOTTY};
  return session_of_terminal;
}

Result<int> foreground_group() {
  SpinlockGuard guard(tasks_lock);
  if (!current().process->has_terminal) return Errno{ENOTTY};
  return foreground;
}

long set_foreground_group(int group) {
  long error = check_foreground(SIGTTOU);
  if (error < 0) return error == -EIO ? -ENOTTY : error;
  SpinlockGuard guard(tasks_lock);
  const Process& self = *current().process;
  if (!self.has_terminal || self.session != session_of_terminal) return -ENOTTY;
  if (group < 0) return -EINVAL;
  if (!exists(group)) return -ESRCH;
  for (Process* process = next_process(0); process != nullptr; process = process->next)
    if (process->group == group && process->session != self.session) return -EPERM;
  foreground = group;
  return 0;
}

void signal_foreground(int number) {
  SpinlockGuard guard(tasks_lock);
  if (foreground != 0) send_group_signal_locked(foreground, from_kernel(number));
}

void leave_jobs_locked(Process& ending) {
  if (is_session_leader(ending) && ending.has_terminal) {
    if (foreground != 0) send_group_signal_locked(foreground, from_kernel(SIGHUP));
    clear_terminal();
  }
  ending.has_terminal = false;
  const Process* parent = ending.parent;
  if (parent != nullptr && is_link(ending)) hang_up_if_orphaned(ending.group, ending);
  for (Process* child = ending.first_child; child != nullptr; child = child->next_sibling)
    if (child->group != ending.group && child->session == ending.session)
      hang_up_if_orphaned(child->group, ending);
}

int foreground_group_locked(const Process& process) { return process.has_terminal ? foreground : 0; }

void start_terminal_locked(Process& init) {
  init.has_terminal = true;
  session_of_terminal = init.session;
  foreground = init.group;
}

}  // namespace mk
