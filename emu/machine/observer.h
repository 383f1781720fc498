// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the machine tells whoever listens: every MMU and TLB effect, every event delivered, every tracepoint
// of the kernel, each with where and when. Observers look; they never change the machine, and a machine
// without observers runs the same instructions (tests hold both). Calls come in the order of guest time.
#pragma once

#include <cstdint>
#include <optional>

#include "abi/trace_port.h"
#include "memory/watched_range.h"
#include "x86/event_delivery.h"
#include "x86/page_walk.h"
#include "x86/tlb.h"

namespace mmuscope {

// Where the machine stood. `icount` counts instructions of all CPUs since reset; `cpu_instructions` those of
// this CPU. `rip` is the instruction that is being executed (for a fault: the faulting one).
struct Moment {
  uint64_t icount = 0;
  uint64_t cpu_instructions = 0;
  uint64_t rip = 0;
  uint64_t cr3 = 0;
  uint32_t pid = 0;  // as the kernel last announced for this CPU; 0: idle or boot
  uint8_t cpu = 0;
  uint8_t cpl = 0;
  bool la57 = false;
};

class MachineObserver {
 public:
  virtual ~MachineObserver() = default;
  // Paging refused an access and #PF is about to be delivered. `walk` holds the entries read.
  virtual void on_page_fault(const Moment&, const x86::PageFault&, const x86::WalkTrace&) {}
  // Any other exception, or an interrupt, was delivered (page faults are told by on_page_fault only).
  virtual void on_event(const Moment&, const x86::Event&) {}
  // A walk succeeded and its result entered the TLB. `access` is what asked for it.
  virtual void on_tlb_insert(const Moment&, const x86::TlbEntry&, const x86::Access&, const x86::WalkTrace&) {
  }
  // One entry left, because of `cause`.
  virtual void on_tlb_remove(const Moment&, const x86::TlbEntry&, x86::TlbCause) {}
  // An instruction that invalidates was executed, whether or not anything left; comes before its
  // on_tlb_remove calls. `linear` is the operand of INVLPG and INVPCID type 0, else 0; `pcid` the PCID
  // concerned, if one is.
  virtual void on_tlb_flush(const Moment&, x86::TlbCause, uint64_t /*linear*/,
                            std::optional<uint16_t> /*pcid*/) {}
  virtual void on_tracepoint(const Moment&, const trace_abi::TraceRecord&) {}
  // With watched ranges on (they cost time): what one closed fault or system call touched. Comes directly
  // before the on_tracepoint of its kFaultOutcome or kSyscallExit. `range` indexes the ranges in order of
  // announcement.
  virtual void on_watch_counts(const Moment&, unsigned /*range*/, const WatchCounts&) {}
};

}  // namespace mmuscope
