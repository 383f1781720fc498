// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/vmstat.h"

#include "arch/x86_64/percpu.h"
#include "lib/assert.h"
#include "mm/frame_allocator.h"

namespace mk {
namespace {

// nr_free_pages first, as in Linux; then one or more names for each event.
struct Line {
  const char* name;
  VmEvent event;
};
constexpr Line kLines[] = {
    {"pgalloc_normal", VmEvent::kPageAlloc},
    {"pgfree", VmEvent::kPageFree},
    {"pgfault", VmEvent::kPageFault},
    {"pgmajfault", VmEvent::kMajorFault},
    {"pgreuse", VmEvent::kCowReuse},
    {"oom_kill", VmEvent::kOomKill},
    {"nr_tlb_remote_flush", VmEvent::kTlbFlushRemote},
    {"nr_tlb_remote_flush_received", VmEvent::kTlbFlushRemoteReceived},
    {"nr_tlb_local_flush_all", VmEvent::kTlbFlushLocalAll},
    {"nr_tlb_local_flush_one", VmEvent::kTlbFlushLocalPage},
    {"mm_fork", VmEvent::kFork},
    {"zero_page", VmEvent::kZeroPage},
    {"cow_copy", VmEvent::kCowCopy},
    {"cow_reuse", VmEvent::kCowReuse},
    {"cow_unshare", VmEvent::kCowUnshare},
    {"cow_fork_copy", VmEvent::kCowForkCopy},
    {"tlb_flush_local_page", VmEvent::kTlbFlushLocalPage},
    {"tlb_flush_local_all", VmEvent::kTlbFlushLocalAll},
    {"tlb_flush_remote", VmEvent::kTlbFlushRemote},
    {"tlb_flush_remote_received", VmEvent::kTlbFlushRemoteReceived},
    {"tlb_flush_skipped_lazy", VmEvent::kTlbFlushSkippedLazy},
    {"tlb_flush_deferred", VmEvent::kTlbFlushDeferred},
    {"uffd_missing", VmEvent::kUffdMissing},
    {"uffd_wp", VmEvent::kUffdWp},
    {"uffd_minor", VmEvent::kUffdMinor},
    {"uffd_wp_async", VmEvent::kUffdWpAsync},
};
constexpr unsigned kLineCount = sizeof(kLines) / sizeof(kLines[0]);

}  // namespace

void count_vm_event(VmEvent event, uint64_t times) {
  this_cpu().vm_events.counts[static_cast<unsigned>(event)] += times;
}

uint64_t vm_event(VmEvent event) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < cpu_count(); ++i)
    sum += __atomic_load_n(&cpu(i).vm_events.counts[static_cast<unsigned>(event)], __ATOMIC_RELAXED);
  return sum;
}

unsigned vm_stat_count() { return 1 + kLineCount; }

const char* vm_stat_name(unsigned index) { return index == 0 ? "nr_free_pages" : kLines[index - 1].name; }

uint64_t vm_stat(unsigned index) {
  KASSERT(index < vm_stat_count());
  return index == 0 ? free_frame_count() : vm_event(kLines[index - 1].event);
}

}  // namespace mk
