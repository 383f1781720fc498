// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/fault_rows.h"

#include <algorithm>

#include "x86/paging_entry.h"

namespace mmuscope::trace {

using trace_abi::TraceType;

void FaultRows::put(const Event& event) {
  work_.see(event);
  if (const auto* fault = event.as<PageFault>()) {
    open(event, *fault);
  } else if (const auto* insert = event.as<TlbInsert>()) {
    if (!awaiting_.empty()) resolved(event, *insert);
  } else if (const auto* point = event.as<Tracepoint>()) {
    const TraceType type = point->type();
    if (type == TraceType::kFaultOutcome) close(event, point->record);
    if (type == TraceType::kTaskExit || type == TraceType::kExec)
      task_ended(static_cast<TaskId>(point->record.args[0]));
    if (pid_after(event) != event.moment.pid && type == TraceType::kExec) task_ended(event.moment.pid);
  }
  watched_.see(event);
  while (!rows_.empty() && (rows_.size() > kMostWaiting || !(rows_.front().open || rows_.front().awaiting)))
    emit_front();
}

void FaultRows::finish() {
  while (!rows_.empty()) emit_front();
  open_.clear();
  awaiting_.clear();
}

FaultRows::Page FaultRows::page_of(const FaultRow& row) {
  return {row.moment.cr3 & x86::pte::kAddressMask52, row.fault.access.linear / x86::kPageSize};
}

void FaultRows::open(const Event& event, const PageFault& fault) {
  const TaskId task = task_id(event.moment.pid, event.moment.cpu);
  const uint64_t index = first_ + rows_.size();
  Pending& row = rows_.emplace_back();
  row.row.seq = event.seq;
  row.row.moment = event.moment;
  row.row.fault = fault.fault;
  if (symbolizer_ != nullptr) row.row.symbol = symbolizer_->describe(event.moment.pid, event.moment.rip);
  row.before = work_.of(task);
  auto& stack = open_[task];
  if (event.moment.cpl == 3) {  // the kernel has come back from whatever it was at, without a word
    for (const uint64_t ended : stack) pending(ended).open = false;
    stack.clear();
  }
  stack.push_back(index);
  const auto [waiting, fresh] = awaiting_.try_emplace(page_of(row.row), index);
  if (!fresh) {
    pending(waiting->second).awaiting = false;
    waiting->second = index;
  }
}

void FaultRows::close(const Event& event, const trace_abi::TraceRecord& record) {
  const TaskId task = task_id(event.moment.pid, event.moment.cpu);
  const auto stack = open_.find(task);
  if (stack == open_.end()) return;
  auto& indexes = stack->second;
  const auto match = std::find_if(indexes.rbegin(), indexes.rend(), [&](uint64_t index) {
    return page_of(pending(index).row).number == record.args[1] / x86::kPageSize;
  });
  if (match == indexes.rend()) return;
  Pending& closed = pending(*match);
  closed.row.outcome = static_cast<trace_abi::FaultOutcome>(record.args[2]);
  closed.row.handler = work_.of(task) - closed.before;
  closed.row.watched = watched_.of(event.moment.cpu);
  // Whatever was still open inside it has ended without a word.
  const auto first_ended = std::prev(match.base());
  for (auto index = first_ended; index != indexes.end(); ++index) pending(*index).open = false;
  indexes.erase(first_ended, indexes.end());
}

void FaultRows::resolved(const Event& event, const TlbInsert& insert) {
  const x86::Translation& page = insert.entry.page;
  const uint64_t space = event.moment.cr3 & x86::pte::kAddressMask52;
  const uint64_t first = page.linear_base / x86::kPageSize,
                 count = x86::page_bytes(page.size) / x86::kPageSize;
  const auto settle = [&](uint64_t index) {
    Pending& row = pending(index);
    // Another thread may go through the old entry while the handler is still at it.
    if (row.open && row.row.moment.pid != event.moment.pid) return false;
    row.awaiting = false;
    for (const x86::WalkStep& step : insert.walk)
      if (step.entry_address == row.row.fault.entry_address) row.row.entry_after = step.entry_after;
    return true;
  };
  if (count == 1) {
    const auto found = awaiting_.find({space, first});
    if (found != awaiting_.end() && settle(found->second)) awaiting_.erase(found);
    return;
  }
  std::erase_if(awaiting_, [&](const auto& waiting) {
    const bool within = waiting.first.space == space && waiting.first.number - first < count;
    return within && settle(waiting.second);
  });
}

void FaultRows::give_up(uint64_t index) {
  Pending& row = pending(index);
  row.open = false;
  if (!row.awaiting) return;
  row.awaiting = false;
  awaiting_.erase(page_of(row.row));
}

void FaultRows::task_ended(TaskId task) {
  if (task <= 0) return;  // idle CPUs do not end
  for (uint64_t index = first_; index < first_ + rows_.size(); ++index)
    if (TaskId{pending(index).row.moment.pid} == task) give_up(index);
  open_.erase(task);
}

void FaultRows::emit_front() {
  Pending& front = rows_.front();
  if (front.open) {
    const auto stack = open_.find(task_id(front.row.moment.pid, front.row.moment.cpu));
    if (stack != open_.end()) std::erase(stack->second, first_);
  }
  give_up(first_);
  out_(front.row);
  rows_.pop_front();
  ++first_;
}

}  // namespace mmuscope::trace
