// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/page_fault.h"

namespace mmuscope::x86 {

const char* fault_reason_name(FaultReason reason) {
  switch (reason) {
    case FaultReason::kNotPresent:
      return "not-present";
    case FaultReason::kReservedBit:
      return "reserved-bit";
    case FaultReason::kWriteProtected:
      return "write-protected";
    case FaultReason::kSupervisorPage:
      return "supervisor-page";
    case FaultReason::kExecuteDisable:
      return "execute-disable";
    case FaultReason::kSmep:
      return "smep";
    case FaultReason::kSmap:
      return "smap";
    case FaultReason::kProtectionKeyRead:
      return "protection-key-read";
    case FaultReason::kProtectionKeyWrite:
      return "protection-key-write";
  }
  return "?";
}

const char* access_type_name(AccessType type) {
  switch (type) {
    case AccessType::kRead:
      return "read";
    case AccessType::kWrite:
      return "write";
    case AccessType::kFetch:
      return "fetch";
  }
  return "?";
}

// SDM vol. 3, 4.7. W/R and U/S describe the access, P, RSVD and PK what paging found. PK is set whenever the
// key denies a data access, whatever else denies it too; check_access therefore judges keys first.
uint32_t PageFault::error_code() const {
  uint32_t code = 0;
  if (reason != FaultReason::kNotPresent) code |= pf::kProtection;
  if (reason == FaultReason::kReservedBit) code |= pf::kReserved;
  if (reason == FaultReason::kProtectionKeyRead || reason == FaultReason::kProtectionKeyWrite) {
    code |= pf::kProtectionKey;
  }
  if (access.type == AccessType::kWrite) code |= pf::kWrite;
  if (access.type == AccessType::kFetch && fetch_reported) code |= pf::kFetch;
  if (access.user) code |= pf::kUser;
  return code;
}

}  // namespace mmuscope::x86
