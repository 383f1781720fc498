// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/stats.h"

#include <cstring>

namespace mmuscope::trace {

using trace_abi::TraceType;

void Tally::add(const Work& cost, const std::vector<WatchCounts>& counts) {
  ++measured;
  work += cost;
  if (counts.size() > watched.size()) watched.resize(counts.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    watched[i].reads += counts[i].reads;
    watched[i].writes += counts[i].writes;
    watched[i].lines += counts[i].lines;
  }
}

Stats::Stats()
    : rows_(nullptr, [this](const FaultRow& row) {
        Tally& tally = faults_[row.outcome ? static_cast<uint64_t>(*row.outcome) : 0];
        ++tally.count;
        if (row.outcome) tally.add(row.handler, row.watched);
      }) {}

void Stats::put(const Event& event) {
  ++events_;
  total_.instructions = event.moment.icount;
  if (event.as<TlbInsert>() != nullptr) ++total_.tlb_inserts;
  if (event.as<TlbRemove>() != nullptr) ++total_.tlb_removals;
  if (event.as<TlbFlush>() != nullptr) ++total_.tlb_flushes;
  rows_.put(event);
  work_.see(event);
  if (const auto* point = event.as<Tracepoint>()) on_tracepoint(event, point->record);
  watched_.see(event);
}

void Stats::on_tracepoint(const Event& event, const trace_abi::TraceRecord& record) {
  const TaskId task = task_id(event.moment.pid, event.moment.cpu);
  switch (static_cast<TraceType>(record.type)) {
    case TraceType::kSyscallEnter:
      ++system_calls_[record.args[0]].count;
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
    case TraceType::kWatchRange:
      ranges_.emplace_back(record.text, strnlen(record.text, sizeof record.text));
      break;
    default:
      break;
  }
}

void Stats::end_calls(TaskId task, const std::vector<WatchCounts>& counts) {
  for (const Call& call : open_[task]) system_calls_[call.number].add(work_.of(task) - call.before, counts);
  open_.erase(task);
}

void Stats::finish() {
  rows_.finish();
  while (!open_.empty()) end_calls(open_.begin()->first, {});
}

}  // namespace mmuscope::trace
