// SPDX-License-Identifier: GPL-2.0-or-later
//
// What submissions ask for: each operation checks its entry once (prepare) and is then tried, perhaps several
// times (execute; Linux's io_issue_defs). Errors and checks are those of Linux 6.x, in its order.
#pragma once

#include <stdint.h>

#include "fs/io_uring/request.h"

namespace mk {

struct Operation {
  // By the submitting task, with the ring's submit mutex: looks at the entry, takes references. -errno: the
  // submission ends here. What Linux finds out only when it executes is left in request.result.
  long (*prepare)(Ring& ring, Request& request);
  // By the submitting task or the ring's thread; never waits. The completion's result, or kInFlight.
  long (*execute)(Ring& ring, Request& request);
  bool takes_file;
  bool is_transfer;
};

// Null: there is none.
const Operation* operation(uint8_t opcode);
// Highest number there is, for IORING_REGISTER_PROBE.
inline constexpr uint8_t kLastOperation = IORING_OP_LAST - 1;

// What every entry is checked for, then its operation's prepare.
long prepare_request(Ring& ring, Request& request);

// transfers.cpp
long prepare_transfer(Ring& ring, Request& request);
long execute_transfer(Ring& ring, Request& request);

}  // namespace mk
