// SPDX-License-Identifier: GPL-2.0-or-later
//
// Faults as a reader wants them: what paging said when it refused, joined with what the kernel decided later
// and with the entry as it was when the access went through. Rows come out in order of their faults, as soon
// as they are whole.
//
//   outcome      of the innermost open fault of this task for the page that the kernel's tracepoint names;
//   none for
//                faults that the kernel does not report.
//   entry_after  what the next walk that put this page of this address space into a TLB read at
//   entry_address; none
//                when the page faulted again, the task exited or executed, or the trace ended first, or that
//                walk took another way. Until the kernel has told the outcome, only the task itself can have
//                made that walk: other threads may still go through the entry as it was.
// A row waits for entry_after behind at most kMostWaiting later faults.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "trace/event.h"
#include "trace/symbolizer.h"
#include "trace/work.h"

namespace mmuscope::trace {

struct FaultRow {
  uint64_t seq = 0;
  Moment moment;
  std::string symbol;  // of moment.rip
  x86::PageFault fault;
  std::optional<uint64_t> entry_after;
  std::optional<trace_abi::FaultOutcome> outcome;
  Work handler;                      // from the fault to its outcome
  std::vector<WatchCounts> watched;  // in between, by range; empty when not counted
};

class FaultRows final : public EventSink {
 public:
  static constexpr size_t kMostWaiting = 65536;
  using Out = std::function<void(const FaultRow&)>;

  // `symbolizer` may be null; it is only asked, never fed.
  FaultRows(const Symbolizer* symbolizer, Out out) : symbolizer_(symbolizer), out_(std::move(out)) {}

  void put(const Event& event) override;
  void finish() override;

 private:
  struct Pending {
    FaultRow row;
    Work before;
    bool open = true;      // the outcome may still come
    bool awaiting = true;  // entry_after may still come
  };
  struct Page {
    uint64_t space = 0;  // CR3's address
    uint64_t number = 0;
    bool operator==(const Page&) const = default;
  };
  struct PageHash {
    size_t operator()(const Page& page) const {
      return (page.space >> 12) * 0x9e3779b97f4a7c15 ^ page.number;
    }
  };

  static Page page_of(const FaultRow& row);
  Pending& pending(uint64_t index) { return rows_[index - first_]; }
  void open(const Event& event, const PageFault& fault);
  void close(const Event& event, const trace_abi::TraceRecord& record);
  void resolved(const Event& event, const TlbInsert& insert);
  void give_up(uint64_t index);
  void task_ended(TaskId task);
  void emit_front();

  const Symbolizer* symbolizer_;
  Out out_;
  WorkByTask work_;
  std::deque<Pending> rows_;                      // in order of faults
  uint64_t first_ = 0;                            // index of rows_.front() since the beginning
  std::map<TaskId, std::vector<uint64_t>> open_;  // indexes, innermost last
  std::unordered_map<Page, uint64_t, PageHash> awaiting_;
  WatchReports watched_;
};

}  // namespace mmuscope::trace
