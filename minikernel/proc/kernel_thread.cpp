// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/kernel_thread.h"

#include "init.h"
#include "proc/kernel_stack.h"
#include "proc/task.h"

namespace mk {
namespace {

unsigned running;

void run_thread() {
  Task& task = current();
  task.thread_function(task.thread_argument);
  close_dropped_files();
  task.handlers.reset();
  task.process.reset();
  __atomic_fetch_sub(&running, 1, __ATOMIC_SEQ_CST);
  something_has_ended();
  schedule_dead();
}

}  // namespace

bool start_kernel_thread(const char* name, void (*function)(void*), void* argument) {
  Ref<Task> task = make<Task>();
  if (!task) return false;
  task->process = make<Process>();
  task->handlers = make<SignalHandlers>();
  if (!task->process || !task->handlers) return false;
  task->kernel_stack = alloc_kernel_stack();
  if (task->kernel_stack == 0) return false;
  task->set_name(name);
  task->frame = reinterpret_cast<TrapFrame*>(task->kernel_stack) - 1;
  task->entry = run_thread;
  task->thread_function = function;
  task->thread_argument = argument;
  task->cpu = current().cpu;
  __atomic_fetch_add(&running, 1, __ATOMIC_ACQ_REL);
  make_runnable(*task);
  return true;
}

unsigned kernel_threads() { return __atomic_load_n(&running, __ATOMIC_ACQUIRE); }

}  // namespace mk
