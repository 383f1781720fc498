// SPDX-License-Identifier: GPL-2.0-or-later
//
// What an access by a program would do now, and why: the processor's verdict (inspector.h), and where that is
// a page fault, what minikernel would make of it. Follows minikernel/mm/fault.cpp and mm/cow/ function by
// function and has to follow when they change; names of outcomes are those of the trace port. Judges what is
// in memory: a TLB entry made before may still allow or refuse something else. Running out of memory is not
// foreseen.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "abi/trace_port.h"
#include "base/error.h"
#include "debug/inspector.h"
#include "debug/kernel_view.h"

namespace mmuscope::debug {

// VM_* of Linux's include/linux/mm.h, as minikernel/mm/vma.h promises to have them.
namespace vm {
inline constexpr uint64_t kRead = 0x1, kWrite = 0x2, kExec = 0x4, kShared = 0x8, kGrowsDown = 0x100,
                          kAccess = kRead | kWrite | kExec;
}
inline constexpr uint64_t kExclusiveBit = uint64_t{1} << 52;  // minikernel/arch/x86_64/pte.h: kExclusive
inline constexpr uint64_t kUserEnd = 0x7ffffffff000;          // Linux's TASK_SIZE_MAX

struct Forecast {
  x86::AccessType type = x86::AccessType::kRead;
  bool faults = false;
  std::optional<trace_abi::FaultOutcome>
      outcome;       // nothing: no fault, or not the page-fault handler's business
  std::string text;  // a sentence or a few
};

// What the fault handler goes by, apart from the tables.
struct FaultSetting {
  std::vector<AreaView> areas;  // by address
  std::string policy = "pte";   // of copy-on-write, minikernel/mm/cow/
  uint64_t group = 0;           // SpaceView::group
  FrameView frame;              // that the last-level entry names, for policies that look at it
  uint64_t total_pages = 0, data_pages = 0;
  uint64_t stack_limit = ~uint64_t{0}, memory_limit = ~uint64_t{0}, data_limit = ~uint64_t{0};  // bytes
};

struct Explanation {
  WalkReport walk;  // through the tables of the task's address space
  std::optional<TaskView> task;
  std::optional<AreaView> area;         // that holds the address
  std::optional<uint64_t> frame_count;  // of the frame that the last entry names
  bool zero_page = false;
  std::array<Forecast, 3> forecasts;  // of a program's read, write, fetch
};

// The part that needs no guest. `walk` must be of the address space that `setting` is of.
Forecast forecast(const FaultSetting& setting, const WalkReport& walk, x86::AccessType type);

// For the task that `cpu` runs.
Expected<Explanation> explain(const KernelView& kernel, const Inspector& inspector, unsigned cpu,
                              x86::LinearAddress address);

}  // namespace mmuscope::debug
