// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sums over a run, by fault outcome and by system call: how often, instructions, TLB events, accesses to the
// watched ranges. Fed by a live machine or by a trace: the same events give the same sums.
//
// Costs are inclusive: a system call contains the faults taken inside it. A fault's cost runs from the
// refused access to the kernel's outcome tracepoint, a system call's from its enter to its exit tracepoint
// (one that never exits - exit, exit_group - to the end of the task); both count only what was executed on
// behalf of that task, on whatever CPU. A child's first return from fork is nobody's call.
//
// And by task: what was executed on its behalf in all, inside calls and faults and outside.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "trace/event.h"
#include "trace/fault_rows.h"
#include "trace/symbolizer.h"
#include "trace/work.h"

namespace mmuscope::trace {

struct Tally {
  uint64_t count = 0;
  uint64_t measured = 0;  // of them, those with an end; the sums below are over these
  Work work;
  std::vector<WatchCounts> watched;  // by range; lines are distinct within each fault or call, then added up
  std::vector<uint64_t> most;        // by range: the most accesses that one of them made

  void add(const Work& cost, const std::vector<WatchCounts>& counts);
  bool operator==(const Tally&) const = default;
};

struct TaskSum {
  std::string program;  // that it executed last; empty when the events do not tell
  Work work;
  uint64_t faults = 0, system_calls = 0;
  bool operator==(const TaskSum&) const = default;
};

class Stats final : public EventSink {
 public:
  // `pids`: faults, system calls and tasks only of these; empty: all.
  explicit Stats(std::set<uint32_t> pids = {});
  Stats(const Stats&) = delete;
  Stats& operator=(const Stats&) = delete;

  void put(const Event& event) override;
  void finish() override;
  // The run went on after its last event, up to `icount`.
  void ended_at(uint64_t icount) { total_.instructions = icount - began_; }

  // Valid after finish(). Keys: FaultOutcome (0: none was told), system call number.
  const std::map<uint64_t, Tally>& faults() const { return faults_; }
  const std::map<uint64_t, Tally>& system_calls() const { return system_calls_; }
  // By PID; 0 is boot and idle time of all CPUs.
  const std::map<uint32_t, TaskSum>& tasks() const { return tasks_; }
  const std::vector<std::string>& ranges() const { return ranges_; }
  // Of the whole run, from the announcement of the ranges to the end of the last program; empty when it was
  // not counted, or did not come that far. By range.
  const std::vector<WatchCounts>& watched() const { return total_watched_; }
  // What the kernel itself counted, in its order; empty when the run did not come to its end.
  const std::vector<std::pair<std::string, uint64_t>>& kernel_counters() const { return kernel_counters_; }
  // Instructions: of all CPUs, from where the recording begins up to the last event, unless ended_at() said
  // more. The tasks add up to them when the events end with marks (CpuMark).
  const Work& total() const { return total_; }
  uint64_t events() const { return events_; }

 private:
  struct Call {
    uint64_t number = 0;
    Work before;
  };
  void on_tracepoint(const Event& event, const trace_abi::TraceRecord& record);
  void end_calls(TaskId task, const std::vector<WatchCounts>& counts);
  void on_exec(const Event& event);
  bool wanted(uint32_t pid) const { return pids_.empty() || pids_.contains(pid); }
  bool wanted(TaskId task) const { return wanted(task > 0 ? static_cast<uint32_t>(task) : 0); }

  FaultRows rows_;
  WorkByTask work_;
  WatchReports watched_;
  std::map<TaskId, std::vector<Call>>
      open_;  // innermost last: a signal handler calls while its task is inside a call
  std::map<uint64_t, Tally> faults_;
  std::map<uint64_t, Tally> system_calls_;
  std::map<uint32_t, TaskSum> tasks_;
  const std::set<uint32_t> pids_;
  Symbolizer programs_{nullptr};  // only who runs which
  std::vector<std::string> ranges_;
  std::vector<WatchCounts> total_watched_;
  std::vector<std::pair<std::string, uint64_t>> kernel_counters_;
  Work total_;
  uint64_t events_ = 0;
  uint64_t began_ = 0;  // icount
};

}  // namespace mmuscope::trace
