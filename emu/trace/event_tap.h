// SPDX-License-Identifier: GPL-2.0-or-later
//
// EventTap: from a running machine to event sinks. Numbers what the machine tells and hands it on as values.
#pragma once

#include <vector>

#include "machine/machine.h"
#include "trace/event.h"

namespace mmuscope::trace {

class EventTap final : public MachineObserver {
 public:
  void add(EventSink& sink) { sinks_.push_back(&sink); }  // not owned
  bool empty() const { return sinks_.empty(); }
  // The next event is number `count` + 1.
  void count_from(uint64_t count) { event_.seq = count; }
  // Where each CPU stands, and whom it runs.
  void mark(Machine& machine, trace_abi::CpuMark mark) {
    trace_abi::TraceRecord record{};
    record.abi_version = trace_abi::kTraceAbiVersion;
    record.type = static_cast<uint16_t>(trace_abi::TraceType::kCpuMark);
    record.args[0] = static_cast<uint64_t>(mark);
    for (unsigned cpu = 0; cpu < machine.cpu_count(); ++cpu) on_tracepoint(machine.moment(cpu), record);
  }
  void finish() {
    for (EventSink* sink : sinks_) sink->finish();
  }

  void on_page_fault(const Moment& moment, const x86::PageFault& fault, const x86::WalkTrace& walk) override {
    emit(moment, PageFault{fault, walk});
  }
  void on_event(const Moment& moment, const x86::Event& event) override {
    emit(moment, Interruption{event.kind, event.vector, event.error_code});
  }
  void on_tlb_insert(const Moment& moment, const x86::TlbEntry& entry, const x86::Access& access,
                     const x86::WalkTrace& walk) override {
    emit(moment, TlbInsert{entry, access, walk});
  }
  void on_tlb_remove(const Moment& moment, const x86::TlbEntry& entry, x86::TlbCause cause) override {
    emit(moment, TlbRemove{entry, cause});
  }
  void on_tlb_flush(const Moment& moment, x86::TlbCause cause, uint64_t linear,
                    std::optional<uint16_t> pcid) override {
    emit(moment, TlbFlush{cause, linear, pcid});
  }
  void on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) override {
    emit(moment, Tracepoint{record});
  }
  void on_watch_counts(const Moment& moment, unsigned range, const WatchCounts& counts) override {
    emit(moment, WatchReport{range, counts});
  }

 private:
  template <typename T>
  void emit(const Moment& moment, T&& payload) {
    event_.seq++;
    event_.moment = moment;
    event_.payload.emplace<std::remove_cvref_t<T>>(std::forward<T>(payload));
    for (EventSink* sink : sinks_) sink->put(event_);
  }

  Event event_;
  std::vector<EventSink*> sinks_;
};

}  // namespace mmuscope::trace
