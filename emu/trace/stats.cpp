// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/stats.h"

#include <algorithm>
#include <cstring>

namespace mmuscope::trace {

using trace_abi::TraceType;

void Tally::add(const Work& cost, const std::vector<WatchCounts>& counts) {
  ++measured;
  work += cost;
  if (counts.size() > watched.size()) watched.resize(counts.size());
  most.resize(watched.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    watched[i].reads += counts[i].reads;
    watched[i].writes += counts[i].writes;
    watched[i].lines += counts[i].lines;
    most[i] = std::max(most[i], counts[i].reads + counts[i].writes);
  }
}

namespace {

std::string text_of(const trace_abi::TraceRecord& record) {
  return {record.text, strnlen(record.text, sizeof record.text)};
}

}  // namespace

Stats::Stats(std::set<uint32_t> pids)
    : rows_(nullptr,
            [this](const FaultRow& row) {
              if (!wanted(row.moment.pid)) return;
              ++tasks_[row.moment.pid].faults;
              Tally& tally = faults_[row.outcome ? static_cast<uint64_t>(*row.outcome) : 0];
              ++tally.count;
              if (row.outcome) tally.add(row.handler, row.watched);
            }),
      pids_(std::move(pids)) {}

void Stats::put(const Event& event) {
  ++events_;
  if (begins_recording(event)) began_ = event.moment.icount;
  total_.instructions = event.moment.icount - began_;
  if (event.as<TlbInsert>() != nullptr) ++total_.tlb_inserts;
  if (event.as<TlbRemove>() != nullptr) ++total_.tlb_removals;
  if (event.as<TlbFlush>() != nullptr) ++total_.tlb_flushes;
  rows_.put(event);
  work_.see(event);
  if (const auto* point = event.as<Tracepoint>()) {
    on_tracepoint(event, point->record);
    programs_.see(event);
    const uint32_t pid = pid_after(event);
    const auto program = programs_.programs().find(pid);
    if (program != programs_.programs().end() && wanted(pid)) tasks_[pid].program = program->second.path;
  }
  watched_.see(event);
}

void Stats::on_tracepoint(const Event& event, const trace_abi::TraceRecord& record) {
  const TaskId task = task_id(event.moment.pid, event.moment.cpu);
  switch (static_cast<TraceType>(record.type)) {
    case TraceType::kSyscallEnter:
      if (!wanted(task)) break;
      ++system_calls_[record.args[0]].count;
      ++tasks_[event.moment.pid].system_calls;
      open_[task].push_back({record.args[0], work_.of(task)});
      break;
    case TraceType::kSyscallExit: {
      auto& calls = open_[task];
      // Calls that never return (rt_sigreturn) may lie above the one that does.
      size_t match = calls.size();
      while (match > 0 && calls[match - 1].number != record.args[0]) --match;
      if (match == 0) break;
      system_calls_[record.args[0]].add(work_.of(task) - calls[match - 1].before,
                                        watched_.of(event.moment.cpu));
      calls.resize(match - 1);
      break;
    }
    case TraceType::kTaskExit:
      end_calls(static_cast<TaskId>(record.args[0]), watched_.of(event.moment.cpu));
      break;
    case TraceType::kExec:
      on_exec(event);
      break;
    case TraceType::kWatchRange:
      ranges_.push_back(text_of(record));
      break;
    case TraceType::kVmStat:
      if (kernel_counters_.empty()) total_watched_ = watched_.of(event.moment.cpu);
      kernel_counters_.emplace_back(text_of(record), record.args[0]);
      break;
    default:
      break;
  }
}

// The call that a thread is in goes on as another task's.
void Stats::on_exec(const Event& event) {
  const TaskId from = task_id(event.moment.pid, event.moment.cpu),
               to = task_id(pid_after(event), event.moment.cpu);
  if (from == to) return;
  end_calls(to, {});
  auto calls = open_.extract(from);
  if (calls.empty()) return;
  // Differences are what counts: they may begin below zero.
  for (Call& call : calls.mapped()) call.before = work_.of(to) - (work_.of(from) - call.before);
  calls.key() = to;
  open_.insert(std::move(calls));
}

void Stats::end_calls(TaskId task, const std::vector<WatchCounts>& counts) {
  for (const Call& call : open_[task]) system_calls_[call.number].add(work_.of(task) - call.before, counts);
  open_.erase(task);
}

void Stats::finish() {
  rows_.finish();
  while (!open_.empty()) end_calls(open_.begin()->first, {});
  for (const auto& [task, work] : work_.all()) {
    const uint32_t pid = task > 0 ? static_cast<uint32_t>(task) : 0;
    if (wanted(pid)) tasks_[pid].work += work;
  }
}

}  // namespace mmuscope::trace
