// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sums over a run, by fault outcome and by system call: how often, instructions, TLB events, accesses to the
// watched ranges. Fed by a live machine or by a trace: the same events give the same sums.
//
// Costs are inclusive: a system call contains the faults taken inside it. A fault's cost runs from the
// refused access to the kernel's outcome tracepoint, a system call's from its enter to its exit tracepoint
// (one that never exits - exit, exit_group - to the end of the task); both count only what was executed on
// behalf of that task.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trace/event.h"
#include "trace/fault_rows.h"
#include "trace/work.h"

namespace mmuscope::trace {

struct Tally {
  uint64_t count = 0;
  uint64_t measured = 0;  // of them, those with an end; the sums below are over these
  Work work;
  std::vector<WatchCounts> watched;  // by range; lines are distinct within each fault or call, then added up

  void add(const Work& cost, const std::vector<WatchCounts>& counts);
  bool operator==(const Tally&) const = default;
};

class Stats final : public EventSink {
 public:
  Stats();
  Stats(const Stats&) = delete;
  Stats& operator=(const Stats&) = delete;

  void put(const Event& event) override;
  void finish() override;
  // The run went on after its last event, up to `icount`.
  void ended_at(uint64_t icount) { total_.instructions = icount; }

  // Valid after finish(). Keys: FaultOutcome (0: none was told), system call number.
  const std::map<uint64_t, Tally>& faults() const { return faults_; }
  const std::map<uint64_t, Tally>& system_calls() const { return system_calls_; }
  const std::vector<std::string>& ranges() const { return ranges_; }
  const Work& total() const {
    return total_;
  }  // instructions: all CPUs; up to the last event, unless ended_at() said more
  uint64_t events() const { return events_; }

 private:
  struct Call {
    uint64_t number = 0;
    Work before;
  };
  void on_tracepoint(const Event& event, const trace_abi::TraceRecord& record);
  void end_calls(TaskId task, const std::vector<WatchCounts>& counts);

  FaultRows rows_;
  WorkByTask work_;
  WatchReports watched_;
  std::map<TaskId, std::vector<Call>>
      open_;  // innermost last: a signal handler calls while its task is inside a call
  std::map<uint64_t, Tally> faults_;
  std::map<uint64_t, Tally> system_calls_;
  std::vector<std::string> ranges_;
  Work total_;
  uint64_t events_ = 0;
};

}  // namespace mmuscope::trace
