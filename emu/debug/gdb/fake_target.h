// SPDX-License-Identifier: GPL-2.0-or-later
//
// A Target for the tests and the fuzzer of this folder: a toy machine whose CPUs take turns, one instruction
// each. Every instruction is one byte long (a NOP), so RIP counts; accesses happen where the test says. It
// goes both ways, and records what was asked of it. Linear addresses from kCode on are there, physical ones
// from 0 on; both are the same bytes.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "debug/target.h"

namespace mmuscope::debug::gdb {

class FakeTarget : public Target {
 public:
  static constexpr uint64_t kCode = 0x401000;

  struct Access {
    uint64_t address = 0;
    bool write = false;
  };

  explicit FakeTarget(unsigned cpus = 2);

  unsigned cpu_count() const override { return static_cast<unsigned>(states_.size()); }
  uint64_t icount() const override { return icount_; }
  unsigned current_cpu() const override { return static_cast<unsigned>(icount_ % states_.size()); }
  x86::CpuState state(unsigned cpu) override { return states_.at(cpu); }
  FxsaveImage fpu(unsigned cpu) override { return fpus_.at(cpu); }
  Expected<void> set_state(unsigned cpu, const x86::CpuState& state) override;
  Expected<void> set_fpu(unsigned cpu, const FxsaveImage& image) override;
  size_t read(unsigned cpu, uint64_t address, std::span<uint8_t> bytes) override;
  size_t read_physical(uint64_t address, std::span<uint8_t> bytes) override;
  Expected<void> write(unsigned cpu, uint64_t address, std::span<const uint8_t> bytes) override;
  Expected<void> write_physical(uint64_t address, std::span<const uint8_t> bytes) override;
  void add_breakpoint(uint64_t address) override;
  void remove_breakpoint(uint64_t address) override;
  void add_watch(const Watch& watch) override;
  void remove_watch(const Watch& watch) override;
  StopReport resume(Direction direction) override;
  StopReport step(unsigned cpu, Direction direction) override;
  StopReport go_to(uint64_t icount) override;
  void interrupt() override { interrupted_ = true; }

  // What was asked, since the last call, separated by "; ".
  std::string take_calls();
  x86::CpuState& edit_state(unsigned cpu) { return states_.at(cpu); }
  FxsaveImage& edit_fpu(unsigned cpu) { return fpus_.at(cpu); }
  bool has_stops() const { return !breakpoints_.empty() || !watches_.empty(); }
  bool running() const { return running_; }

  std::vector<uint8_t> memory;
  std::map<uint64_t, Access> accesses;  // by the icount at which the instruction begins
  uint64_t end = 1000;                  // the icount at which the machine is over
  StopReport end_report;
  bool endless = false;           // resume() returns only when interrupted
  std::deque<StopReport> script;  // what resume() and step() return, before anything else

 private:
  void record(std::string call);
  StopReport report(StopReport::Kind kind, unsigned cpu) const;
  // One instruction of whoever's turn it is; the stop if it made one.
  std::optional<StopReport> forward();
  std::optional<StopReport> backward();
  std::optional<StopReport> watched(uint64_t at) const;
  std::optional<StopReport> scripted();
  StopReport wait_for_interrupt();

  std::vector<x86::CpuState> states_;
  std::vector<FxsaveImage> fpus_;
  std::set<uint64_t> breakpoints_;
  std::vector<Watch> watches_;
  uint64_t icount_ = 0;
  uint64_t history_start_ = 0;
  std::string calls_;
  std::atomic<bool> interrupted_ = false;
  std::atomic<bool> running_ = false;
};

}  // namespace mmuscope::debug::gdb
