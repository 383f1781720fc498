// SPDX-License-Identifier: GPL-2.0-or-later
//
// For tests: a machine of some pages of physical memory and CPUs whose state is set by hand. Linear reads go
// through the page tables in that memory. It cannot run, and whatever would change it ends the test: the peek
// rule.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "debug/inspector.h"
#include "debug/target.h"
#include "x86/paging_entry.h"

namespace mmuscope::debug {

class FakeTarget : public Target {
 public:
  static constexpr uint64_t kP = x86::pte::kPresent, kW = x86::pte::kWritable, kU = x86::pte::kUser,
                            kPs = x86::pte::kPageSize, kXd = x86::pte::kExecuteDisable;

  explicit FakeTarget(size_t pages = 64, unsigned cpus = 1)
      : memory(pages * x86::kPageSize), cpus(cpus), next_page_(2) {  // page 1 is the top-level table
    for (x86::CpuState& state : this->cpus) page(state, false);
  }

  // Long mode, CPL 3, with tables from physical page 1 on.
  static void page(x86::CpuState& state, bool la57) {
    state.cr0 = x86::cr0::kPg | x86::cr0::kPe | x86::cr0::kWp;
    state.cr3 = x86::kPageSize;
    state.cr4 =
        x86::cr4::kPae | x86::cr4::kPge | x86::cr4::kSmep | x86::cr4::kSmap | (la57 ? x86::cr4::kLa57 : 0);
    state.efer = x86::efer::kLme | x86::efer::kLma | x86::efer::kNxe;
    state.cpl = 3;
  }

  void put(uint64_t physical, uint64_t value, size_t bytes = sizeof(uint64_t)) {
    std::memcpy(&memory.at(physical), &value, bytes);
  }
  uint64_t get(uint64_t physical) const {
    uint64_t value;
    std::memcpy(&value, &memory.at(physical), sizeof value);
    return value;
  }

  // Makes the entry for `linear` at `level` (1: 4 KiB) under CPU 0's CR3, and tables on the way that allow
  // everything.
  void map(uint64_t linear, uint64_t entry, unsigned level = 1) { map_at(cpus[0].cr3, linear, entry, level); }
  void map_at(uint64_t root, uint64_t linear, uint64_t entry, unsigned level = 1) {
    uint64_t table = root;
    for (unsigned at = cpus[0].cr4 & x86::cr4::kLa57 ? 5 : 4; at > level; --at) {
      const uint64_t where = table + 8 * x86::pte::index_of(linear, at);
      if (get(where) == 0) put(where, new_page() | kP | kW | kU);
      table = get(where) & x86::pte::kAddressMask52;
    }
    put(table + 8 * x86::pte::index_of(linear, level), entry);
  }
  // The physical address of a page that nothing uses yet.
  uint64_t new_page() { return next_page_++ * x86::kPageSize; }

  unsigned cpu_count() const override { return static_cast<unsigned>(cpus.size()); }
  uint64_t icount() const override { return 1234; }
  unsigned current_cpu() const override { return current; }
  x86::CpuState state(unsigned cpu) override { return cpus.at(cpu); }
  FxsaveImage fpu(unsigned) override { return {}; }
  size_t read(unsigned cpu, uint64_t address, std::span<uint8_t> bytes) override {
    TargetMemory tables(*this);
    x86::PagingContext context = x86::PagingContext::of(cpus.at(cpu), {});
    context.smap = false;
    for (size_t done = 0; done < bytes.size(); ++done) {
      const uint64_t linear = address + done;
      if (!x86::is_canonical(linear, context.la57)) return done;
      const auto found = x86::peek_walk(context, {.linear = linear}, tables);
      if (!found || read_physical(found->physical(linear), bytes.subspan(done, 1)) == 0) return done;
    }
    return bytes.size();
  }
  size_t read_physical(uint64_t address, std::span<uint8_t> bytes) override {
    if (address >= memory.size()) return 0;
    const size_t there = std::min<size_t>(bytes.size(), memory.size() - address);
    std::memcpy(bytes.data(), &memory[address], there);
    return there;
  }

  Expected<void> set_state(unsigned, const x86::CpuState&) override { std::abort(); }
  Expected<void> set_fpu(unsigned, const FxsaveImage&) override { std::abort(); }
  Expected<void> write(unsigned, uint64_t, std::span<const uint8_t>) override { std::abort(); }
  Expected<void> write_physical(uint64_t, std::span<const uint8_t>) override { std::abort(); }
  void add_breakpoint(uint64_t) override { std::abort(); }
  void remove_breakpoint(uint64_t) override { std::abort(); }
  void add_watch(const Watch&) override { std::abort(); }
  void remove_watch(const Watch&) override { std::abort(); }
  StopReport resume(Direction) override { std::abort(); }
  StopReport step(unsigned, Direction) override { std::abort(); }
  StopReport go_to(uint64_t) override { std::abort(); }
  void interrupt() override { std::abort(); }

  std::vector<uint8_t> memory;
  std::vector<x86::CpuState> cpus;
  unsigned current = 0;

 private:
  uint64_t next_page_;
};

}  // namespace mmuscope::debug
