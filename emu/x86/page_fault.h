// SPDX-License-Identifier: GPL-2.0-or-later
//
// An access, and why paging refused it. The reason is our finer word (which check failed, at which level, on
// which entry); the error code that the processor pushes is derived from it in one place, error_code() (SDM
// vol. 3, 4.7).
#pragma once

#include <cstdint>

#include "x86/address.h"

namespace mmuscope::x86 {

enum class AccessType : uint8_t { kRead = 0, kWrite = 1, kFetch = 2 };

struct Access {
  LinearAddress linear = 0;
  AccessType type = AccessType::kRead;
  bool user = false;  // made at CPL 3 (a user-mode access, SDM 4.6); implicit system accesses are never user
  bool implicit =
      false;  // supervisor access to a system structure (GDT, IDT, TSS): EFLAGS.AC does not lift SMAP
  bool operator==(const Access&) const = default;
};

enum class FaultReason : uint8_t {
  kNotPresent = 1,          // P=0 at some level
  kReservedBit = 2,         // a reserved bit is set (SDM 4.7, RSVD)
  kWriteProtected = 3,      // R/W=0 on the path: user write, or supervisor write with CR0.WP=1
  kSupervisorPage = 4,      // user access, U/S=0 on the path
  kExecuteDisable = 5,      // fetch, XD=1 on the path
  kSmep = 6,                // supervisor fetch from a user page with CR4.SMEP=1
  kSmap = 7,                // supervisor data access to a user page with CR4.SMAP=1, EFLAGS.AC=0 or implicit
  kProtectionKeyRead = 8,   // PKRU.AD
  kProtectionKeyWrite = 9,  // PKRU.WD
};
const char* fault_reason_name(FaultReason reason);  // "not-present", "reserved-bit", ...
const char* access_type_name(AccessType type);      // "read", "write", "fetch"

// Bits of the #PF error code, SDM vol. 3, figure 4-12.
namespace pf {
inline constexpr uint32_t kProtection = 1u << 0, kWrite = 1u << 1, kUser = 1u << 2, kReserved = 1u << 3,
                          kFetch = 1u << 4, kProtectionKey = 1u << 5;
}

struct PageFault {
  Access access;
  FaultReason reason = FaultReason::kNotPresent;
  uint8_t level = 1;                  // of the entry that decided: 5..1
  PhysicalAddress entry_address = 0;  // of that entry
  uint64_t entry_value = 0;           // as it was read
  bool fetch_reported = false;        // I/D is set for fetches only with NXE=1 or SMEP=1 (SDM 4.7)

  uint32_t error_code() const;
  bool operator==(const PageFault&) const = default;
};

}  // namespace mmuscope::x86
