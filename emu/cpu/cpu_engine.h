// SPDX-License-Identifier: GPL-2.0-or-later
//
// The narrow interface to whatever executes instructions. An engine runs ordinary instructions of one CPU, exactly as
// many as it is told; every translation goes to its EngineClient, and every exception, privileged system instruction
// and port access makes it stop *before* that instruction, with RIP on it, for machine/vcpu to do. So an engine holds
// no system semantics, and all state the guest can see can be read and written between runs.
// Implementations: unicorn/ (the real one), script/ (a scripted fake for tests).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/state_io.h"
#include "x86/cpu_state.h"
#include "x86/page_fault.h"

namespace mmuscope {

// What the client answers when an engine asks for a page.
struct Fill {
  enum class Kind : uint8_t {
    kDenied,  // the client remembers why; run() ends with StopReason::kFillDenied
    kRam,     // `physical_page` is RAM
    kTrapped, // RAM or device that must see every access: each goes through EngineClient::trapped_read/write
  };
  Kind kind = Kind::kDenied;
  x86::PhysicalAddress physical_page = 0;
  bool writable = false;  // may the engine keep it for stores too; never set unless D is set and nothing watches stores
};

class EngineClient {
 public:
  virtual ~EngineClient() = default;
  // The engine needs the page of access.linear. Called before the access happens, at most once more than needed:
  // engines may also probe. No C++ exception may leave it.
  virtual Fill fill(const x86::Access& access) = 0;
  // An access to a kTrapped page, by the instruction at RIP, all earlier instructions counted. An access that crosses
  // into another page comes as its parts.
  virtual uint64_t trapped_read(x86::PhysicalAddress address, unsigned size) = 0;
  virtual void trapped_write(x86::PhysicalAddress address, unsigned size, uint64_t value) = 0;
};

enum class StopReason : uint8_t {
  kBudget,       // as many instructions as asked for were executed
  kFillDenied,   // the instruction at RIP needs a page it was denied; `linear` says which access was refused
  kException,    // the instruction at RIP raises `vector`; traps (#DB after a step, INT3, INTO) have RIP after it
  kSoftwareInterrupt,  // INT n, INT3, INTO: RIP is past the instruction
  kSystemInstruction,  // the instruction at RIP is one that machine/ executes: see system_instruction.h
  kInterruptWindow,    // asked for by run(): interrupts can be delivered now
  kFailed,       // the engine gave up; `message` says why: a defect of the emulator, not of the guest
};

struct Stop {
  StopReason reason = StopReason::kBudget;
  uint8_t vector = 0;
  std::optional<uint32_t> error_code;
  x86::Access access;   // kFillDenied
  std::string message;  // kFailed
};

struct RunRequest {
  uint64_t instructions = 0;          // at most this many, exactly this many unless something else stops the run
  bool stop_when_interruptible = false;  // stop as soon as IF=1 outside the interrupt shadow
};

class CpuEngine {
 public:
  virtual ~CpuEngine() = default;

  virtual Stop run(const RunRequest& request) = 0;
  // Instructions executed by run() so far, each iteration of a REP instruction counting one. Does not count
  // instructions that ended in kFillDenied, kException (faults) or kSystemInstruction.
  virtual uint64_t executed() const = 0;
  // Inside a client call or an exit: executed() as of the instruction at RIP.
  virtual uint64_t current_rip() = 0;
  virtual uint8_t current_cpl() = 0;
  virtual bool current_ac() = 0;

  virtual void read_state(x86::CpuState& state) = 0;
  virtual void write_state(const x86::CpuState& state) = 0;

  // The engine must ask again: for one page (both rights), for every page.
  virtual void forget_page(x86::LinearAddress linear) = 0;
  virtual void forget_all() = 0;
  // Code in this physical page may have changed: translations of it are dropped.
  virtual void forget_code(x86::PhysicalAddress page) = 0;

  // x87/SSE and everything else that CpuState leaves out, for snapshots.
  virtual void save(StateWriter& writer) = 0;
  virtual void restore(StateReader& reader) = 0;
};

}  // namespace mmuscope
