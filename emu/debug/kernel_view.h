// SPDX-License-Identifier: GPL-2.0-or-later
//
// minikernel's own data, read from guest memory: tasks, areas, frames. Where things lie comes from the
// kernel's debug information (kernel_types.h); what is known here are the names in minikernel/proc/task.h,
// mm/address_space.h, mm/vma.h, mm/frame_allocator.cpp, mm/frame_table.cpp, fs/dentry.h and
// arch/x86_64/percpu.h. The kernel may stand anywhere, in the middle of a change too: what is read may be
// torn, loops end, and a pointer that leads nowhere is an error that names it.
//
// Tasks are those that a CPU runs: minikernel keeps no list of others yet (one process, issue 4 brings fork).
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

struct TaskView {
  uint64_t address = 0;
  int32_t pid = 0, tgid = 0;
  std::string name;
  uint64_t mm = 0;  // address of its AddressSpace; 0: none
  uint64_t minor_faults = 0;
  unsigned cpu = 0;  // that runs it
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
  bool reserved = false;  // the descriptor says that the frame is not the allocator's
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
  Expected<std::vector<TaskView>> tasks() const;  // by PID
  Expected<TaskView> task(int32_t pid) const;
  Expected<SpaceView> space(const TaskView& task) const;
  // RLIMIT_`resource` of <asm/resource.h>, the soft one.
  Expected<uint64_t> limit(const TaskView& task, unsigned resource) const;
  Expected<FrameView> frame(uint64_t pfn) const;
  Expected<uint64_t> frame_count(uint64_t pfn) const;
  Expected<uint64_t> zero_page() const;  // its frame number

  // The paging context of the CPU with the tables of another address space.
  x86::PagingContext context(unsigned cpu, const SpaceView& space) const;

  static constexpr size_t kMostAreas = 65536;  // minikernel allows 65530
  static constexpr size_t kMostMappings = 4096;

 private:
  class Reading;
  Expected<std::optional<uint64_t>> per_cpu(unsigned cpu) const;
  std::string path_of(Reading& reading, uint64_t dentry) const;
  AreaView read_area(Reading& reading, uint64_t address) const;
  void find_mappings(FrameView& view, const std::vector<TaskView>& tasks) const;

  Target& target_;
  const KernelTypes& types_;
  const Inspector& inspector_;
};

}  // namespace mmuscope::debug
