// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a debugger's front ends (gdb/, the built-in debugger) ask of a machine that can go both ways in time.
// The machine stands between two instructions, at an instruction count. Looking changes nothing
// (the peek rule): no accessed bit, no TLB entry, no count. Stops are kept outside the machine's state, so
// they are no part of a snapshot and survive going back. Addresses are linear, as CPU `cpu` would see them,
// unless they are called physical.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "machine/debug_control.h"
#include "x86/cpu_state.h"

namespace mmuscope::debug {

enum class Direction : uint8_t { kForward, kBackward };

// Accesses of any CPU stop the machine after the instruction that made them; going backward, before it.
using Watch = WatchSpec;

struct StopReport {
  enum class Kind : uint8_t {
    kArrived,       // the step, or the position asked for, is done
    kBreakpoint,    // the instruction at RIP of `cpu` has one and was not executed
    kWatchpoint,    // an access as asked for by `watch`
    kCaught,        // an event that somebody waits for; `text` says which
    kInterrupted,   // interrupt() was called
    kEnded,         // the machine ended: going forward is over, `text` and `exit_value` say how
    kHistoryStart,  // going backward is over
  };
  Kind kind = Kind::kArrived;
  unsigned cpu = 0;  // whose instruction it was
  Watch watch;
  uint64_t address = 0;  // kWatchpoint: the first byte accessed, in the terms of `watch`
  std::string text;
  std::optional<uint32_t> exit_value;  // kEnded by the debug-exit port: minikernel/abi/trace_port.h
};

// x87 and SSE as FXSAVE64 lays them out (SDM vol. 1, table 10-2).
using FxsaveImage = std::array<uint8_t, 512>;

class Target {
 public:
  virtual ~Target() = default;

  virtual unsigned cpu_count() const = 0;
  virtual uint64_t icount() const = 0;
  virtual unsigned current_cpu() const = 0;  // whose turn it is

  virtual x86::CpuState state(unsigned cpu) = 0;
  virtual FxsaveImage fpu(unsigned cpu) = 0;
  // General registers, RIP, RFLAGS, FS and GS base; system registers are refused (kUsage) where they differ.
  // A change of registers or memory makes this position the start of history.
  virtual Expected<void> set_state(unsigned cpu, const x86::CpuState& state) = 0;
  virtual Expected<void> set_fpu(unsigned cpu, const FxsaveImage& image) = 0;

  // How many bytes, from the first on, could be read: less than asked for where a page is not there.
  virtual size_t read(unsigned cpu, uint64_t address, std::span<uint8_t> bytes) = 0;
  virtual size_t read_physical(uint64_t address, std::span<uint8_t> bytes) = 0;
  // All or nothing. kUsage where a page is not there. Rights are not asked for.
  virtual Expected<void> write(unsigned cpu, uint64_t address, std::span<const uint8_t> bytes) = 0;
  virtual Expected<void> write_physical(uint64_t address, std::span<const uint8_t> bytes) = 0;

  // Adding one that is there, or removing one that is not, does nothing.
  virtual void add_breakpoint(uint64_t address) = 0;
  virtual void remove_breakpoint(uint64_t address) = 0;
  virtual void add_watch(const Watch& watch) = 0;
  virtual void remove_watch(const Watch& watch) = 0;

  // A breakpoint at RIP where the machine stands does not stop it from leaving.
  virtual StopReport resume(Direction direction) = 0;
  // Until `cpu` has executed one instruction more, or one less; other CPUs take their turns meanwhile, and
  // their stops hold.
  virtual StopReport step(unsigned cpu, Direction direction) = 0;
  // The same for a CPU at CPL 3, with all that the kernel does in between - a page fault, an interrupt, a
  // system call - as part of one step: it ends, going backward begins, at CPL 3.
  virtual StopReport step_over_kernel(unsigned cpu, Direction direction) { return step(cpu, direction); }
  virtual StopReport go_to(uint64_t icount) = 0;
  // Ends resume(), step() and go_to() soon, with kInterrupted. May be called from a signal handler or another
  // thread.
  virtual void interrupt() = 0;
};

}  // namespace mmuscope::debug
