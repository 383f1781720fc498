// SPDX-License-Identifier: GPL-2.0-or-later
#include "proc/scheduler.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/context_switch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/trace.h"
#include "arch/x86_64/trap.h"
#include "fs/console.h"
#include "init.h"
#include "lib/assert.h"
#include "proc/kernel_stack.h"
#include "proc/task.h"

namespace mk {
namespace {

Spinlock lock;
Task* first_in_queue;
Task* last_in_queue;

uint64_t bit(unsigned cpu) { return 1ul << cpu; }
bool is_idle(const PerCpu& cpu) { return cpu.current == cpu.idle; }

void enqueue(Task& task) {
  KASSERT(!task.queued);
  task.queued = true;
  task.next_in_queue = nullptr;
  (last_in_queue != nullptr ? last_in_queue->next_in_queue : first_in_queue) = &task;
  last_in_queue = &task;
}

// The task that has waited longest and may run here; null: none.
Task* dequeue(unsigned cpu) {
  Task* before = nullptr;
  for (Task* task = first_in_queue; task != nullptr; before = task, task = task->next_in_queue) {
    if (!(task->affinity & bit(cpu))) continue;
    (before != nullptr ? before->next_in_queue : first_in_queue) = task->next_in_queue;
    if (last_in_queue == task) last_in_queue = before;
    task->queued = false;
    return task;
  }
  return nullptr;
}

bool others_wait(unsigned cpu) {
  for (Task* task = first_in_queue; task != nullptr; task = task->next_in_queue)
    if (task->affinity & bit(cpu)) return true;
  return false;
}

// A task has come into the queue: some CPU has to see it. An idle one at once, else the one whose task has
// run longest takes care of the end of its slice.
void tell_a_cpu(const Task& task) {
  PerCpu* idle = nullptr;
  PerCpu* busy = nullptr;
  bool armed = false;
  for (unsigned i = 0; i < cpu_count(); ++i) {
    PerCpu& one = cpu(i);
    if (one.idle == nullptr || !(task.affinity & bit(i))) continue;
    if (is_idle(one)) {
      if (idle == nullptr || i == task.cpu) idle = &one;
    } else {
      armed |= one.slice_armed;
      if (busy == nullptr || one.slice_start < busy->slice_start) busy = &one;
    }
  }
  if (idle != nullptr) {
    if (idle != &this_cpu()) apic_send_interrupt(idle->apic_id, kRescheduleVector);
  } else if (!armed && busy != nullptr) {
    busy->slice_armed = true;
    apic_send_interrupt(busy->apic_id, kRescheduleVector);
  }
}

void wake_locked(Task& task) {
  if (task.state != RunState::kSleeping) return;
  task.state = RunState::kRunning;
  if (task.on_cpu || task.queued) return;  // it finds out in schedule()
  enqueue(task);
  tell_a_cpu(task);
}

void put_on(Task& next, PerCpu& cpu) {
  cpu.current = &next;
  cpu.need_resched = false;
  cpu.slice_start = next.switched_in = now_ns();
  cpu.slice_armed = &next != cpu.idle && others_wait(cpu.index);
  next.on_cpu = true;
  next.cpu = cpu.index;
  if (&next == cpu.idle) {
    enter_lazy_tlb();
    return;
  }
  cpu.settled = false;
  cpu.kernel_stack = cpu.tables.tss.rsp[0] = next.kernel_stack;
  load_page_table(next.mm ? &next.mm->page_table() : nullptr);
  fpu_restore(next.fpu);
  load_selectors(next.selectors);
  write_msr(kMsrFsBase, next.fs_base);
  write_msr(kMsrKernelGsBase, next.gs_base);
}

void take_off(Task& task) {
  uint64_t now = now_ns();
  task.run_ns += now - task.switched_in;
  task.switched_in = now;  // what run_time_ns() adds until the switch is over
  if (&task == this_cpu().idle || task.state == RunState::kDead) return;
  fpu_save(task.fpu);
  task.selectors = read_selectors();
  task.fs_base = read_msr(kMsrFsBase);  // a selector that the program has loaded changes it
  task.gs_base = read_msr(kMsrKernelGsBase);
}

// The first thing on a new stack: lets go of the task that ran before.
void finish_switch(Task& previous) {
  previous.on_cpu = false;
  bool dead = previous.state == RunState::kDead;
  lock.unlock();
  if (dead) {
    free_kernel_stack(previous.kernel_stack);
    Ref<Task>::adopt(&previous).reset();
  }
  program_timer();
}

extern "C" void begin_task(Task& previous) {
  finish_switch(previous);
  Task& task = current();
  if (task.entry != nullptr) task.entry();
  enter_user(*task.frame);
}

}  // namespace

void make_runnable(Task& task) {
  prepare_context(task.saved_stack_pointer, reinterpret_cast<uint64_t>(task.frame));
  task.get();  // its own, until it is dead
  SpinlockGuard guard(lock);
  enqueue(task);
  tell_a_cpu(task);
}

void wake_task(Task& task) {
  SpinlockGuard guard(lock);
  wake_locked(task);
}

void kick_task(Task& task) {
  SpinlockGuard guard(lock);
  if (task.state == RunState::kSleeping) {
    if (task.ends_for_signal || (task.ends_for_kill && kill_pending(task))) wake_locked(task);
  } else if (task.on_cpu && task.cpu != this_cpu().index) {
    apic_send_interrupt(cpu(task.cpu).apic_id, kRescheduleVector);
  }
}

void set_affinity(Task& task, uint64_t cpus) {
  SpinlockGuard guard(lock);
  task.affinity = cpus;
  if (task.queued) return tell_a_cpu(task);
  if (!task.on_cpu || (cpus & bit(task.cpu))) return;
  cpu(task.cpu).need_resched = true;
  if (task.cpu != this_cpu().index) apic_send_interrupt(cpu(task.cpu).apic_id, kRescheduleVector);
}

uint64_t running_cpus() {
  uint64_t cpus = 0;
  for (unsigned i = 0; i < cpu_count(); ++i)
    if (cpu(i).idle != nullptr) cpus |= bit(i);
  return cpus;
}

void let_others_run() {
  asm volatile("sti; nop; cli" : : : "memory");
  schedule_if_needed();
}

void going_to_sleep() { __atomic_store_n(&current().state, RunState::kSleeping, __ATOMIC_SEQ_CST); }
void not_going_to_sleep() {
  SpinlockGuard guard(lock);
  current().state = RunState::kRunning;
}

void schedule() {
  lock.lock();
  PerCpu& here = this_cpu();
  Task& previous = *here.current;
  bool goes_on = previous.state == RunState::kRunning && &previous != here.idle;
  Task* next = dequeue(here.index);
  if (next == nullptr && goes_on && (previous.affinity & bit(here.index))) next = &previous;
  if (next == nullptr) next = here.idle;
  if (next == &previous) {
    here.need_resched = false;
    here.slice_start = now_ns();
    lock.unlock();
    return;
  }
  take_off(previous);
  // `previous` may be taken by another CPU only when its registers are saved: the lock is let go on the other
  // side. It waits before the slice of `next` is decided on: that has an end because `previous` waits.
  if (goes_on) enqueue(previous);
  put_on(*next, here);
  if (goes_on && (!(previous.affinity & bit(here.index)) || next == here.idle)) tell_a_cpu(previous);
  trace(TraceType::kTaskSwitch, next->pid, next->tgid);
  finish_switch(*switch_context(previous, previous.saved_stack_pointer, next->saved_stack_pointer));
}

void schedule_if_needed() {
  if (this_cpu().need_resched) schedule();
}

void yield() { schedule(); }

void schedule_dead() {
  current().state = RunState::kDead;
  schedule();
  __builtin_unreachable();
}

void end_slice_if_over() {
  PerCpu& here = this_cpu();
  if (is_idle(here) || !here.slice_armed || now_ns() < here.slice_start + kSliceNs) return;
  here.slice_armed = false;
  here.need_resched = true;
}

void reschedule_interrupt() {
  end_slice_if_over();
  program_timer();
}

void make_idle_tasks() {
  for (unsigned i = 0; i < cpu_count(); ++i) {
    PerCpu& one = cpu(i);
    if (!one.online) continue;
    Task* task = create<Task>();
    if (task == nullptr) panic("no memory for an idle task");
    task->cpu = i;
    task->affinity = bit(i);
    task->on_cpu = true;
    task->kernel_stack = one.kernel_stack;
    task->set_name("idle");
    one.current = task;
    __atomic_store_n(&one.idle, task, __ATOMIC_RELEASE);
    if (&one != &this_cpu()) apic_send_interrupt(one.apic_id, kRescheduleVector);
  }
}

bool nothing_runs() {
  SpinlockGuard guard(lock);
  if (first_in_queue != nullptr) return false;
  for (unsigned i = 0; i < cpu_count(); ++i)
    if (const PerCpu& one = cpu(i); one.idle != nullptr && !is_idle(one)) return false;
  return true;
}

bool others_are_idle() {
  for (unsigned i = 0; i < cpu_count(); ++i) {
    const PerCpu& one = cpu(i);
    if (&one != &this_cpu() && one.idle != nullptr && !__atomic_load_n(&one.settled, __ATOMIC_ACQUIRE))
      return false;
  }
  return true;
}

void idle() {
  while (true) {
    schedule();
    drain_dropped_frames();
    answer_tlb_requests();
    __atomic_store_n(&this_cpu().settled, true, __ATOMIC_RELEASE);
    if (this_cpu().index == 0) end_when_init_has();
    if (console_wants_input()) {
      // Where input is not read on demand it may come at any time, and no interrupt tells of it.
      if (!poll_console()) asm volatile("sti; pause; cli" : : : "memory");
      continue;
    }
    // STI lets no interrupt in before the next instruction is over: what came since schedule() looked ends
    // HLT.
    asm volatile("sti; hlt; cli" : : : "memory");
  }
}

}  // namespace mk
