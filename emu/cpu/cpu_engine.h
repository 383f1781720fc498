// SPDX-License-Identifier: GPL-2.0-or-later
//
// The narrow interface to whatever executes instructions. An engine runs ordinary instructions of one CPU,
// exactly as many as it is told. It holds no system semantics: every translation is asked of its
// EngineClient, and whatever is not an ordinary instruction - a page it was denied, an exception, a system
// instruction - makes it stop with RIP and the instruction count exact, for machine/vcpu to deal with. All
// state that a guest can see can be read and written between runs.
//
// Exactness is what the rest of the house stands on: where a run is cut (a budget, a debugger, an observer)
// never changes what the guest does or the order in which the client sees it. Implementations: unicorn/ (the
// real one), script/ (a scripted fake for tests).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/state_io.h"
#include "cpu/decoder.h"
#include "x86/cpu_state.h"
#include "x86/page_fault.h"

namespace mmuscope {

// What the client answers when an engine asks for a page.
struct Fill {
  enum class Kind : uint8_t {
    kDenied,   // not now: the run stops with kFillDenied, the client may act and run again
    kRam,      // `page` is RAM; the engine may keep it until told to forget
    kTrapped,  // a device, or RAM where somebody counts: every access goes through trapped_read/write
  };
  Kind kind = Kind::kDenied;
  bool writable = false;          // kRam: may also be kept for stores
  x86::PhysicalAddress page = 0;  // page-aligned
};

class EngineClient {
 public:
  virtual ~EngineClient() = default;
  // The engine needs the page of access.linear, which may be any address in that page (access.implicit is
  // never set; access.user is CPL = 3). Answers come from what is known already and change nothing, because
  // engines also ask for accesses that do not happen.
  virtual Fill fill(const x86::Access& access) = 0;
  // An access to a kTrapped page by the instruction at RIP. `size` is 1, 2, 4 or 8.
  virtual uint64_t trapped_read(x86::PhysicalAddress address, unsigned size) = 0;
  virtual void trapped_write(x86::PhysicalAddress address, unsigned size, uint64_t value) = 0;
  // The host address of code that was just fetched, up to the end of its page; nullptr when it is not RAM.
  // `page` receives its physical page.
  virtual const uint8_t* code(x86::LinearAddress linear, x86::PhysicalAddress* page) = 0;
};

enum class StopReason : uint8_t {
  kBudget,             // as many instructions as asked for were executed
  kFillDenied,         // the instruction at RIP makes `access`, which the client denied; its address is exact
  kException,          // the instruction at RIP raises `vector` (a trap: RIP is past it)
  kSoftwareInterrupt,  // INT n, INT3, INTO, INT1 with `vector`: RIP is past it, and it counts as executed
  kSystemInstruction,  // the instruction at RIP is `instruction`, whose op the machine executes
  kTrapped,            // an instruction with trapped accesses was executed and counted
  kBreakpoint,         // the instruction at RIP has one, and was not executed
  kInterruptWindow,    // asked for by the request: interrupts can be delivered now
  kFailed,             // the engine gave up; `message` says why: a defect of the emulator, not of the guest
};

struct Stop {
  StopReason reason = StopReason::kBudget;
  uint8_t vector = 0;
  std::optional<uint32_t> error_code;  // kException
  x86::Access access;                  // kFillDenied
  bool stack = false;                  // kFillDenied: a reference to the stack segment
  uint64_t instruction_rip = 0;        // kSoftwareInterrupt: where the instruction begins
  Instruction instruction;             // kSystemInstruction
  std::string message;                 // kFailed
};

struct RunRequest {
  // Linear addresses to stop in front of; `leaving` lets the instruction that the run begins with go. An
  // iteration of a REP instruction after another one is no new arrival.
  const std::set<x86::LinearAddress>* breakpoints = nullptr;
  bool leaving = false;
  uint64_t instructions = 0;  // at most this many
  bool stop_when_interruptible =
      false;  // stop where IF=1 outside the interrupt shadow, at once if that is here
};

class CpuEngine {
 public:
  virtual ~CpuEngine() = default;

  virtual Stop run(const RunRequest& request) = 0;
  // Instructions executed by run() since the engine was made (or restored), each iteration of a REP
  // instruction counting one. Instructions that stop a run before they are executed do not count.
  virtual uint64_t executed() const = 0;

  virtual void read_state(x86::CpuState& state) = 0;
  virtual void write_state(const x86::CpuState& state) = 0;
  // One general register or RIP, cheaper than the whole state.
  virtual uint64_t reg(x86::Gpr name) = 0;
  virtual uint64_t rip() = 0;
  virtual uint8_t cpl() = 0;
  virtual uint64_t rflags() = 0;
  // Between runs: the instruction at RIP, as far as its bytes can be had without a fault.
  virtual std::optional<Instruction> current_instruction() = 0;
  // Between runs: where `operand` of the instruction at RIP, `instruction`, points.
  virtual x86::LinearAddress linear_address(const Instruction& instruction, const MemoryOperand& operand) = 0;
  virtual void set_reg(x86::Gpr name, uint64_t value) = 0;
  // For machine/ after it executed the instruction at RIP: moves on and ends an interrupt shadow.
  virtual void advance(uint64_t rip) = 0;

  // The engine must ask again: for one page, for every page.
  virtual void forget_page(x86::LinearAddress linear) = 0;
  virtual void forget_all() = 0;
  // Code in this physical page may have changed.
  virtual void forget_code(x86::PhysicalAddress page) = 0;

  // x87 and SSE as FXSAVE64 lays them out (SDM vol. 1, table 10-2).
  using FxsaveImage = std::array<uint8_t, 512>;
  virtual FxsaveImage fpu() = 0;
  virtual void set_fpu(const FxsaveImage& image) = 0;

  // x87/SSE and everything else that CpuState leaves out, for snapshots; CpuState is saved by the machine.
  virtual void save(StateWriter& writer) = 0;
  virtual void restore(StateReader& reader) = 0;
};

}  // namespace mmuscope
