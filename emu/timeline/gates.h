// SPDX-License-Identifier: GPL-2.0-or-later
//
// What comes out of a machine that goes back and forth in time comes out once: gates let through what is new
// and count what they have seen before. Their counts go along with checkpoints; everything behind a gate is
// outside the machine and never goes back.
#pragma once

#include <cstdint>

#include "devices/uart16550.h"
#include "machine/observer.h"

namespace mmuscope::timeline {

class Gate {
 public:
  // One more thing comes along: whether it is new.
  bool pass() {
    const bool fresh = count_ == reached_;
    ++count_;
    if (fresh) reached_ = count_;
    return fresh;
  }
  uint64_t count() const { return count_; }
  void go_back_to(uint64_t count) { count_ = count; }
  // The guest was changed: what comes from here on is new.
  void forget_future() { reached_ = count_; }

 private:
  uint64_t count_ = 0, reached_ = 0;
};

// Both must outlive it, as must those of GatedObserver.
class GatedConsole final : public ConsoleSink {
 public:
  GatedConsole(Gate& gate, ConsoleSink& sink) : gate_(gate), sink_(sink) {}
  void put(uint8_t byte) override {
    if (gate_.pass()) sink_.put(byte);
  }

 private:
  Gate& gate_;
  ConsoleSink& sink_;
};

class GatedObserver final : public MachineObserver {
 public:
  GatedObserver(Gate& gate, MachineObserver& observer) : gate_(gate), observer_(observer) {}
  void on_page_fault(const Moment& moment, const x86::PageFault& fault, const x86::WalkTrace& walk) override {
    if (gate_.pass()) observer_.on_page_fault(moment, fault, walk);
  }
  void on_event(const Moment& moment, const x86::Event& event) override {
    if (gate_.pass()) observer_.on_event(moment, event);
  }
  void on_tlb_insert(const Moment& moment, const x86::TlbEntry& entry, const x86::Access& access,
                     const x86::WalkTrace& walk) override {
    if (gate_.pass()) observer_.on_tlb_insert(moment, entry, access, walk);
  }
  void on_tlb_remove(const Moment& moment, const x86::TlbEntry& entry, x86::TlbCause cause) override {
    if (gate_.pass()) observer_.on_tlb_remove(moment, entry, cause);
  }
  void on_tlb_flush(const Moment& moment, x86::TlbCause cause, uint64_t linear,
                    std::optional<uint16_t> pcid) override {
    if (gate_.pass()) observer_.on_tlb_flush(moment, cause, linear, pcid);
  }
  void on_tracepoint(const Moment& moment, const trace_abi::TraceRecord& record) override {
    if (gate_.pass()) observer_.on_tracepoint(moment, record);
  }
  void on_watch_counts(const Moment& moment, unsigned range, const WatchCounts& counts) override {
    if (gate_.pass()) observer_.on_watch_counts(moment, range, counts);
  }

 private:
  Gate& gate_;
  MachineObserver& observer_;
};

}  // namespace mmuscope::timeline
