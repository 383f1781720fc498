// SPDX-License-Identifier: GPL-2.0-or-later
//
// Delivering exceptions and interrupts: SDM vol. 3, chapter 6 - gate checks, IST, stack switch through the
// TSS, error codes (6.13), the double-fault table (table 6-5), 64-bit mode (6.14). Real-mode and 32-bit
// protected-mode delivery are not implemented: an event there, without long mode, ends in a triple fault
// (CAVEATS.md); minikernel takes none.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "x86/cpu_state.h"
#include "x86/page_fault.h"

namespace mmuscope::x86 {

namespace vector {
inline constexpr uint8_t kDivideError = 0, kDebug = 1, kNmi = 2, kBreakpoint = 3, kOverflow = 4,
                         kBoundRange = 5, kInvalidOpcode = 6, kDeviceNotAvailable = 7, kDoubleFault = 8,
                         kInvalidTss = 10, kSegmentNotPresent = 11, kStackFault = 12, kGeneralProtection = 13,
                         kPageFault = 14, kX87Error = 16, kAlignmentCheck = 17, kMachineCheck = 18,
                         kSimdError = 19;
}
const char* vector_name(uint8_t vector);  // "#PF", "#GP", ..., "interrupt" above 31

enum class EventKind : uint8_t {
  kException,
  kSoftwareInterrupt /* INT n, INT3, INTO: gate DPL is checked */,
  kExternalInterrupt,
  kNmi
};

struct Event {
  EventKind kind = EventKind::kException;
  uint8_t vector = 0;
  std::optional<uint32_t> error_code = {};
  std::optional<PageFault> page_fault = {};  // for #PF: CR2 is loaded from it on delivery
  bool operator==(const Event&) const = default;
};

// Linear memory as event delivery sees it: implicit supervisor accesses (Access::implicit). Little-endian,
// `size` is 1, 2, 4 or 8; may cross a page. A fault is an Event (#PF, or #GP/#SS for a non-canonical
// address).
class SystemMemory {
 public:
  virtual ~SystemMemory() = default;
  virtual std::expected<uint64_t, Event> read(LinearAddress address, unsigned size) = 0;
  virtual std::expected<void, Event> write(LinearAddress address, unsigned size, uint64_t value) = 0;
};

// Delivers `event` to the handler that IDTR names; state.rip must already be what the handler should see (the
// faulting instruction, or the next one for traps and INT n). On success `state` stands at the handler's
// first instruction. On a fault during delivery `state` is as before, except CR2 once a #PF was recognised,
// and the new event is returned. EXT (bit 0 of the error code) is set by this function where SDM 6.13 says
// so.
std::expected<void, Event> deliver_event(CpuState& state, const Event& event, SystemMemory& memory);

enum class EventClass : uint8_t { kBenign, kContributory, kPageFault, kDoubleFault };
EventClass classify(const Event& event);

// SDM table 6-5: the event that follows when `second` occurs while `first` is being delivered; nullopt:
// triple fault.
std::optional<Event> combine_events(const Event& first, const Event& second);

// True for exceptions whose saved RFLAGS have RF set (faults, not traps): SDM vol. 3, 17.3.1.1.
bool is_fault(uint8_t vector);

}  // namespace mmuscope::x86
