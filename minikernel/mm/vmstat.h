// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counts of what memory management did since boot, as Linux's /proc/vmstat has them
// (include/linux/vm_event_item.h), and ours beside them: what copy-on-write decided, and what became of TLB
// flushes. Each CPU counts for itself.
#pragma once

#include <stdint.h>

namespace mk {

enum class VmEvent : unsigned {
  kPageAlloc,
  kPageFree,
  kPageFault,
  kMajorFault,   // always 0: nothing is read from a disk
  kFork,         // address spaces copied
  kCowCopy,      // a write fault copied a page
  kCowReuse,     // a write fault made the page writable in place
  kCowUnshare,   // a page was copied so that it can be pinned
  kCowForkCopy,  // fork copied a page instead of sharing it
  kZeroPage,     // a read fault mapped the page of zeros
  kTlbFlushLocalPage,
  kTlbFlushLocalAll,
  kTlbFlushRemote,          // flushes that interrupted other CPUs
  kTlbFlushRemoteReceived,  // interruptions by such
  kTlbFlushSkippedLazy,     // CPUs that were not interrupted, because they idle
  kTlbFlushDeferred,        // page-table changes whose flush was put off until the end of their range
  kOomKill,
  kUffdMissing,  // messages of a userfaultfd, by reason
  kUffdWp,
  kUffdMinor,
  kUffdWpAsync,  // write protections that a fault dropped without a message
  kCount,
};
inline constexpr unsigned kVmEvents = static_cast<unsigned>(VmEvent::kCount);

struct VmEventCounts {
  uint64_t counts[kVmEvents];
};

void count_vm_event(VmEvent event, uint64_t times = 1);
uint64_t vm_event(VmEvent event);  // of all CPUs

// The lines of /proc/vmstat: names, and values as of now.
unsigned vm_stat_count();
const char* vm_stat_name(unsigned index);
uint64_t vm_stat(unsigned index);

}  // namespace mk
