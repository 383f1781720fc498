// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exact access counting on chosen physical ranges: the kernel announces its frame table and its dense count
// array (minikernel/abi/trace_port.h), and whoever wants to know how often a fault or a system call looks at
// them reads the counters before and after. Counts loads and stores of the guest, one per access an
// instruction makes, whatever its size; page walks and host inspection do not count.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/state_io.h"
#include "x86/address.h"

namespace mmuscope {

struct WatchCounts {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t lines = 0;  // distinct 64-byte lines touched since the window was opened
  bool operator==(const WatchCounts&) const = default;
};

// On whose behalf something is executed: a task, or a CPU without one (MachineCore::owner).
using WindowOwner = int64_t;

class WatchedRange {
 public:
  WatchedRange(std::string name, x86::PhysicalAddress start, uint64_t bytes);

  const std::string& name() const { return name_; }
  x86::PhysicalAddress start() const { return start_; }
  uint64_t bytes() const { return bytes_; }
  bool contains(x86::PhysicalAddress address) const { return address - start_ < bytes_; }

  // An access made on behalf of `owner`: counts for the windows of that owner alone.
  void count(x86::PhysicalAddress address, unsigned size, bool write, WindowOwner owner);

  // A window is a stretch of execution of one owner that somebody asks about (one fault, one system call);
  // windows nest and may end out of order (a fault inside a system call). Returns a handle.
  uint32_t open_window(WindowOwner owner);
  WatchCounts close_window(uint32_t handle);
  bool is_open(uint32_t handle) const;
  // The windows of one owner are another's from now on.
  void change_owner(WindowOwner from, WindowOwner to);
  const WatchCounts& total() const { return total_; }  // since the range was announced

  void save(StateWriter& writer) const;
  void restore(StateReader& reader);

 private:
  struct Window {
    uint32_t handle = 0;
    WindowOwner owner = 0;
    WatchCounts counts;
    std::set<uint64_t> lines;
  };
  std::string name_;
  x86::PhysicalAddress start_;
  uint64_t bytes_;
  WatchCounts total_;
  std::set<uint64_t> total_lines_;
  std::vector<Window> windows_;
  uint32_t next_handle_ = 1;
};

}  // namespace mmuscope
