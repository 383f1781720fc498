// SPDX-License-Identifier: GPL-2.0-or-later
//
// minikernel's own data, read from guest memory: tasks, areas, frames. Where things lie comes from the
// kernel's debug information (kernel_types.h); what is known here are the names in minikernel/proc/task.h,
// proc/process.h, proc/process.cpp, arch/x86_64/trap_frame.h, mm/address_space.h, mm/vma.h,
// mm/frame_allocator.cpp, mm/frame_table.*, mm/cow/cow.cpp, fs/dentry.h and arch/x86_64/percpu.h. The kernel
// may stand anywhere, in the middle of a change too: what is read may be torn, loops end, and a pointer that
// leads nowhere is an error that names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "debug/inspector.h"
#include "debug/kernel_types.h"
#include "debug/target.h"

namespace mmuscope::debug {

enum class TaskState : uint8_t {
  kRunning,   // on its CPU
  kRunnable,  // waits for one
  kSleeping,
  kStopped,  // by a signal
  kDead,     // has ended, and its stack is still in use
  kZombie,   // a process without tasks, whose parent has not asked for its status
};
const char* task_state_name(TaskState state);

struct TaskView {
  uint64_t address = 0;  // 0: a zombie
  int32_t pid = 0, tgid = 0;
  int32_t parent = 0;  // the process; 0: none
  std::string name;
  uint64_t mm = 0;       // address of its AddressSpace; 0: none
  uint64_t process = 0;  // address of its Process; 0: none any more
  uint64_t minor_faults = 0;
  TaskState state = TaskState::kRunning;
  unsigned cpu = 0;  // that runs it, or ran it last
};

// Where a task that does not run has left its program.
struct ProgramPlace {
  uint64_t rip = 0;                     // behind the SYSCALL instruction, when it is in a call
  std::optional<uint64_t> system_call;  // its number
};

struct TaskList {
  std::vector<TaskView> tasks;  // by PID
  std::string problem;          // why there may be more; empty: these are all
};

struct AreaView {
  uint64_t start = 0, end = 0, flags = 0;
  uint64_t file = 0;  // address of its File; 0: anonymous
  uint64_t offset = 0;
  uint64_t file_bytes = 0;
  std::string path;  // of the file

  bool contains(uint64_t address) const { return address >= start && address < end; }
};

struct SpaceView {
  uint64_t root = 0;  // physical address of the top-level table
  uint64_t total_pages = 0, data_pages = 0;
  uint64_t group = 0;           // policy pte-group: address spaces that share pages by fork; 0: none did
  std::vector<AreaView> areas;  // by address
};

struct Mapping {
  int32_t pid = 0;
  Leaf leaf;  // may be a PROT_NONE entry, which is not present and keeps its frame
};

struct FrameView {
  uint64_t pfn = 0;
  std::optional<uint64_t> count;  // nothing: beyond the allocator's frames
  uint64_t descriptor = 0;        // linear; 0: there is none
  uint64_t descriptor_flags = 0;
  bool reserved = false;       // the descriptor says that the frame is not the allocator's
  bool in_descriptor = false;  // the policy counts in descriptors: the next three mean something
  uint64_t mapcount = 0;
  bool anonymous = false, exclusive = false;
  bool zero_page = false;
  std::vector<Mapping> mappings;
  bool complete = true;  // false: the search gave up (Inspector::kMostTables, kMostMappings)
};

class KernelView {
 public:
  // All are used, not owned.
  KernelView(Target& target, const KernelTypes& types, const Inspector& inspector)
      : target_(target), types_(types), inspector_(inspector) {}

  // What the CPU runs; nothing when it runs none (idle, or before the first program).
  Expected<std::optional<TaskView>> current_task(unsigned cpu) const;
  // All that the kernel's list names or a CPU runs. An error when not one can be read.
  Expected<TaskList> tasks() const;
  Expected<TaskView> task(int32_t pid) const;
  // Of a task that sleeps or waits for a CPU. kUsage for one that has no program.
  Expected<ProgramPlace> place(const TaskView& task) const;
  Expected<SpaceView> space(const TaskView& task) const;
  // RLIMIT_`resource` of <asm/resource.h>, the soft one.
  Expected<uint64_t> limit(const TaskView& task, unsigned resource) const;
  Expected<FrameView> frame(uint64_t pfn) const;
  Expected<uint64_t> frame_count(uint64_t pfn) const;
  Expected<uint64_t> zero_page() const;  // its frame number
  // The copy-on-write policy's name, as --cow has it; "" before the kernel has chosen one.
  Expected<std::string> cow_policy() const;
  // The descriptor of a frame, without looking for who maps it.
  Expected<FrameView> descriptor(uint64_t pfn) const;

  // The paging context of the CPU with the tables of another address space.
  x86::PagingContext context(unsigned cpu, const SpaceView& space) const;

  static constexpr size_t kMostAreas = 65536;  // minikernel allows 65530
  static constexpr size_t kMostMappings = 4096;
  static constexpr size_t kMostTasks = 65536;  // minikernel allows 4096

 private:
  class Reading;
  Expected<std::optional<uint64_t>> per_cpu(unsigned cpu) const;
  TaskView read_task(Reading& reading, uint64_t address) const;
  void read_list(Reading& reading, std::vector<TaskView>& found) const;
  std::string path_of(Reading& reading, uint64_t dentry) const;
  AreaView read_area(Reading& reading, uint64_t address) const;
  void find_mappings(FrameView& view, const std::vector<TaskView>& tasks) const;

  Target& target_;
  const KernelTypes& types_;
  const Inspector& inspector_;
};

}  // namespace mmuscope::debug
