// SPDX-License-Identifier: GPL-2.0-or-later
//
// The machine: RAM, CPUs each with an engine and a TLB, devices, scheduler and clock, put together. One
// thread. A run is a pure function of MachineConfig, the boot image and the console input; everything that
// decides what happens next is in state that save() writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/state_io.h"
#include "cpu/cpu_engine.h"
#include "devices/debug_console.h"
#include "devices/uart16550.h"
#include "machine/debug_control.h"
#include "machine/observer.h"
#include "memory/ram.h"
#include "x86/control_registers.h"
#include "x86/page_walk.h"
#include "x86/tlb.h"

namespace mmuscope {

struct MachineConfig {
  unsigned cpus = 1;                   // 1..8
  uint64_t memory_bytes = 256u << 20;  // a multiple of 2 MiB, 16 MiB..64 GiB
  bool la57 = false;                   // offer 5-level paging
  uint64_t quantum = 10'000;           // instructions a CPU runs before the next one's turn
  bool count_watched_ranges =
      false;  // exact frame-table access counts; costs time only where they are accessed
};

// What a PVH loader puts into memory: an ELF64 kernel, its command line and an initramfs.
struct BootImage {
  std::vector<uint8_t> kernel;
  std::string command_line;
  std::vector<uint8_t> initramfs;
};

enum class EndReason : uint8_t {
  kRunning,      // not ended: run() came to its limit
  kExit,         // the guest wrote the debug-exit port; exit_value is what it wrote
  kTripleFault,  // report tells the chain of faults, registers, the walk
  kDeadlock,     // every CPU is halted and nothing is going to wake one
  kInternal,     // an engine failed
};

struct RunResult {
  EndReason reason = EndReason::kRunning;
  uint32_t exit_value = 0;
  std::string report;  // readable, several lines; empty for kRunning and kExit
};

class Machine {
 public:
  // kUsage for a bad configuration or kernel, kHost when the host cannot. `sink` and `source` must outlive
  // the machine.
  static Expected<std::unique_ptr<Machine>> create(const MachineConfig& config, const BootImage& image,
                                                   ConsoleSink& sink, ConsoleSource& source,
                                                   DebugConsole::LineSink kernel_log);
  virtual ~Machine() = default;

  // Observers are called in the order of adding; not owned; not part of the state.
  virtual void add_observer(MachineObserver& observer) = 0;
  virtual void remove_observer(MachineObserver& observer) = 0;

  // Runs until icount() == limit exactly, or the machine ends, or debug_control() stops it (kRunning then).
  // Ended machines return at once.
  virtual RunResult run(uint64_t limit) = 0;
  virtual DebugControl& debug_control() = 0;
  virtual void watches_changed() = 0;

  virtual uint64_t icount() const = 0;
  virtual Position position() const = 0;
  virtual unsigned cpu_count() const = 0;
  virtual x86::CpuState cpu_state(unsigned cpu) = 0;  // as of now
  virtual std::string describe() = 0;                 // registers and position of every CPU, several lines
  virtual unsigned current_cpu() const = 0;           // whose turn it is
  virtual uint32_t pid(unsigned cpu) const = 0;       // as in Moment
  virtual Moment moment(unsigned cpu) = 0;            // as of now
  virtual const MachineConfig& config() const = 0;
  virtual const Ram& ram() const = 0;
  virtual const x86::Tlb& tlb(unsigned cpu) const = 0;
  virtual x86::PagingContext paging_context(unsigned cpu) = 0;  // of a data access, as of now
  virtual CpuEngine::FxsaveImage fpu(unsigned cpu) = 0;

  // For debuggers: changes the guest. Registers: all of CpuState, unchecked.
  virtual void set_cpu_state(unsigned cpu, const x86::CpuState& state) = 0;
  virtual void set_fpu(unsigned cpu, const CpuEngine::FxsaveImage& image) = 0;
  // Within one page of RAM; what the engines made of it is made anew.
  virtual void write_ram(x86::PhysicalAddress address, std::span<const uint8_t> bytes) = 0;
  virtual void flush_tlb(unsigned cpu) = 0;  // observers are told: TlbCause::kDebugger

  virtual void save(StateWriter& writer) = 0;
  // A machine created with the same configuration takes over the state; observers are not told.
  virtual Expected<void> restore(std::span<const uint8_t> state) = 0;

  // The same without RAM, for checkpoints that keep it by pages: take_dirty_pages() are the indices of those
  // written since the last call, ascending; set_ram_page() puts one back without marking it.
  virtual void save_without_ram(StateWriter& writer) = 0;
  virtual Expected<void> restore_without_ram(std::span<const uint8_t> state) = 0;
  virtual std::vector<uint64_t> take_dirty_pages() = 0;
  virtual void set_ram_page(uint64_t index, std::span<const uint8_t> bytes) = 0;
};

}  // namespace mmuscope
