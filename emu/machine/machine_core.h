// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the CPUs of one machine share: bus, ports, clock, code pages, watched ranges and the ears of
// observers. A Vcpu sees the machine only through this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "devices/debug_exit.h"
#include "devices/device.h"
#include "devices/local_apic.h"
#include "machine/machine.h"
#include "machine/observer.h"
#include "memory/bus.h"
#include "memory/watched_range.h"

namespace mmuscope {

class Vcpu;

// Which RAM pages hold translated code. A page is either code (nobody has it writable) or data (nobody has it
// executable), so that every change of code is noticed, whoever makes it.
class CodePages {
 public:
  explicit CodePages(const Ram& ram)
      : ram_(ram), code_((ram.page_count() + 63) / 64), writable_(code_.size()) {}
  bool is_code(x86::PhysicalAddress page) const { return test(code_, page); }
  void set_code(x86::PhysicalAddress page, bool code) { assign(code_, page, code); }
  // Whether some engine may hold the page writable.
  bool was_writable(x86::PhysicalAddress page) const { return test(writable_, page); }
  void set_writable(x86::PhysicalAddress page) { assign(writable_, page, true); }
  void forget() {
    code_.assign(code_.size(), 0);
    writable_.assign(writable_.size(), 0);
  }

 private:
  bool test(const std::vector<uint64_t>& bits, x86::PhysicalAddress page) const {
    const uint64_t index = ram_.page_index(page);
    return (bits[index / 64] >> (index % 64)) & 1;
  }
  void assign(std::vector<uint64_t>& bits, x86::PhysicalAddress page, bool value) const {
    const uint64_t index = ram_.page_index(page);
    const uint64_t mask = uint64_t{1} << (index % 64);
    bits[index / 64] = value ? bits[index / 64] | mask : bits[index / 64] & ~mask;
  }

  const Ram& ram_;
  std::vector<uint64_t> code_, writable_;
};

class MachineCore {
 public:
  MachineCore(const MachineConfig& config, Ram ram)
      : config(config), ram(std::move(ram)), bus(this->ram), code_pages(this->ram) {
    features.la57 = config.la57;
  }

  MachineConfig config;
  x86::CpuFeatures features;
  Ram ram;
  Bus bus;
  CodePages code_pages;
  std::vector<PortDevice*> ports;         // not owned
  const DebugExit* debug_exit = nullptr;  // one of them
  std::vector<LocalApic*> apics;          // by CPU, not owned
  std::vector<Vcpu*> vcpus;               // not owned
  std::vector<MachineObserver*> observers;

  uint64_t icount = 0;  // instructions of all CPUs, up to date between engine runs
  uint64_t idle = 0;    // time that passed while every CPU was halted
  DebugControl debug;
  RunResult ended;  // reason kRunning until the machine ends

  GuestTime now() const;
  uint32_t port_read(unsigned cpu, uint16_t port, unsigned size);
  void port_write(unsigned cpu, uint16_t port, unsigned size, uint32_t value);

  // RAM was written by something that is not an engine's own store.
  void wrote(x86::PhysicalAddress address);
  // The page turns into code or back; engines forget what they must.
  void make_code(x86::PhysicalAddress page);
  void make_data(x86::PhysicalAddress page);

  void watch(WatchedRange range);
  bool watched(x86::PhysicalAddress page) const;
  // On whose behalf a CPU executes: the task that the kernel last announced for it; CPUs without one are
  // owners of their own.
  static WindowOwner owner(uint32_t pid, unsigned cpu) {
    return pid != 0 ? WindowOwner{pid} : -1 - WindowOwner{cpu};
  }
  void count_access(x86::PhysicalAddress address, unsigned size, bool write, WindowOwner owner);
  // Windows for the exact counts: a page fault or a system call of a task, until its closing tracepoint.
  // Accesses count that are made on behalf of that task, on whatever CPU. `from_user`: it was running its
  // program, so that whatever was open has ended without a word.
  enum class WindowKind : uint8_t { kCall, kFault };
  void open_window(WindowOwner owner, WindowKind kind, bool from_user);
  void close_window(const Moment& moment, WindowKind kind);
  // The task has ended: the call that it was in is over.
  void close_windows_of_ended(const Moment& moment, WindowOwner owner);
  // The task goes on under another number.
  void change_owner(WindowOwner from, WindowOwner to);
  // Once in a run, when the kernel sums up: what was accessed since the ranges were announced.
  void tell_totals(const Moment& moment);

  // An event was delivered: see Position.
  void count_event() {
    events_ = position().events + 1;
    events_at_ = icount;
  }
  Position position() const { return {icount, events_at_ == icount ? events_ : 0}; }
  // Directly after one instruction was counted: where it began.
  Position previous_position() const { return {icount - 1, events_at_ == icount - 1 ? events_ : 0}; }
  // A debugger wants run() to come back here.
  bool stops_here() const { return debug.stop || (debug.hit && position() != debug.hit->before); }

  // Watches of a debugger. `linear` where the access has one.
  bool debug_watched(std::optional<x86::LinearAddress> linear, x86::PhysicalAddress page) const;
  void watch_access(const Vcpu& vcpu, std::optional<x86::LinearAddress> linear, x86::PhysicalAddress address,
                    unsigned size, bool write, Position before);

  void end(EndReason reason, std::string report, uint32_t value = 0);
  bool is_ended() const { return ended.reason != EndReason::kRunning; }

  template <typename F>
  void tell(F&& f) {
    for (MachineObserver* observer : observers) f(*observer);
  }
  bool observed() const { return !observers.empty(); }

  enum class WithRam : bool { kNo, kYes };
  void save(StateWriter& writer, WithRam with_ram) const;
  void restore(StateReader& reader, WithRam with_ram);
  // RAM was replaced under the engines.
  void forget_code_of(x86::PhysicalAddress page);

 private:
  struct Window {
    WindowOwner owner = 0;
    WindowKind kind = WindowKind::kCall;
    std::vector<uint32_t> handles;
  };
  std::vector<WatchCounts> take_window(size_t index);
  void drop_windows(WindowOwner owner);
  void tell_counts(const Moment& moment, const std::vector<WatchCounts>& counts);
  bool state_is_possible() const;  // of ends and windows: close_window() relies on it
  uint64_t events_ = 0, events_at_ = ~uint64_t{0};
  std::vector<WatchedRange> ranges_;
  std::vector<Window> windows_;
  bool told_totals_ = false;
};

}  // namespace mmuscope
