// SPDX-License-Identifier: GPL-2.0-or-later
//
// What was done on behalf of each task: instructions executed and TLB events, added up over all CPUs it ran
// on. The difference between two moments is what a fault or a system call cost, whoever else ran in between.
// Idle CPUs (PID 0) are tasks of their own.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "trace/event.h"

namespace mmuscope::trace {

struct Work {
  uint64_t instructions = 0;
  uint64_t tlb_inserts = 0;
  uint64_t tlb_removals = 0;
  uint64_t tlb_flushes = 0;

  Work& operator+=(const Work& other) {
    instructions += other.instructions;
    tlb_inserts += other.tlb_inserts;
    tlb_removals += other.tlb_removals;
    tlb_flushes += other.tlb_flushes;
    return *this;
  }
  Work operator-(const Work& before) const {
    return {instructions - before.instructions, tlb_inserts - before.tlb_inserts,
            tlb_removals - before.tlb_removals, tlb_flushes - before.tlb_flushes};
  }
  bool operator==(const Work&) const = default;
};

// A task by PID; the idle task of CPU n is -1 - n.
using TaskId = int64_t;
inline TaskId task_id(uint32_t pid, uint8_t cpu) { return pid != 0 ? TaskId{pid} : -1 - TaskId{cpu}; }

// Which task the CPU runs after the event: a task switch says so, and so does a thread that executes, because
// it goes on as its process's leader.
inline uint32_t pid_after(const Event& event) {
  using trace_abi::TraceType;
  const Tracepoint* point = event.as<Tracepoint>();
  if (point == nullptr) return event.moment.pid;
  const bool says =
      point->type() == TraceType::kTaskSwitch || (point->type() == TraceType::kExec && event.moment.pid != 0);
  return says ? static_cast<uint32_t>(point->record.args[0]) : event.moment.pid;
}

// Recorded from here on: what the CPU did before is not in the events.
inline bool begins_recording(const Event& event) {
  const Tracepoint* point = event.as<Tracepoint>();
  return point != nullptr && point->type() == trace_abi::TraceType::kCpuMark &&
         point->record.args[0] == static_cast<uint64_t>(trace_abi::CpuMark::kBegins);
}

class WorkByTask {
 public:
  // Must see every event, in order, before anything is asked about it.
  void see(const Event& event) {
    const Moment& moment = event.moment;
    if (moment.cpu >= cpus_.size()) cpus_.resize(moment.cpu + 1u);
    Cpu& cpu = cpus_[moment.cpu];
    if (begins_recording(event))
      cpu = {.seen = true, .task = task_id(moment.pid, moment.cpu), .instructions = moment.cpu_instructions};
    if (!cpu.seen) cpu = {.seen = true, .task = task_id(moment.pid, moment.cpu), .instructions = 0};
    // Up to this event the task ran that the CPU was last seen with; a task switch is told by the old one or
    // the new.
    Work& work = tasks_[cpu.task];
    work.instructions += moment.cpu_instructions - cpu.instructions;
    cpu.instructions = moment.cpu_instructions;
    cpu.task = task_id(pid_after(event), moment.cpu);
    if (event.as<TlbInsert>() != nullptr)
      ++tasks_[cpu.task].tlb_inserts;
    else if (event.as<TlbRemove>() != nullptr)
      ++tasks_[cpu.task].tlb_removals;
    else if (event.as<TlbFlush>() != nullptr)
      ++tasks_[cpu.task].tlb_flushes;
  }
  Work of(TaskId task) const {
    const auto found = tasks_.find(task);
    return found == tasks_.end() ? Work{} : found->second;
  }
  const std::map<TaskId, Work>& all() const { return tasks_; }

 private:
  struct Cpu {
    bool seen = false;
    TaskId task = 0;
    uint64_t instructions = 0;
  };
  std::vector<Cpu> cpus_;
  std::map<TaskId, Work> tasks_;
};

// The counts of watched ranges that stand before the tracepoint they belong to.
class WatchReports {
 public:
  // Must see the tracepoint after it was asked about it.
  void see(const Event& event) {
    const uint8_t cpu = event.moment.cpu;
    if (const auto* report = event.as<WatchReport>(); report != nullptr && report->range < kMostRanges) {
      auto& counts = waiting_[cpu];
      if (report->range >= counts.size()) counts.resize(report->range + 1);
      counts[report->range] = report->counts;
    } else if (!waiting_.empty() && event.as<Tracepoint>() != nullptr) {
      waiting_.erase(cpu);
    }
  }
  // By range; empty when nothing was counted.
  std::vector<WatchCounts> of(uint8_t cpu) const {
    const auto found = waiting_.find(cpu);
    return found == waiting_.end() ? std::vector<WatchCounts>() : found->second;
  }

 private:
  static constexpr uint32_t kMostRanges = 64;
  std::map<uint8_t, std::vector<WatchCounts>> waiting_;
};

}  // namespace mmuscope::trace
