// SPDX-License-Identifier: GPL-2.0-or-later
//
// Allocations that fail on purpose, to see what becomes of it (Linux's fault injection: failslab,
// fail_page_alloc). The command line's fail_alloc=N lets the N-th allocation after the first program has
// started fail, frames and kernel objects alike, fail_alloc=N,T the T from the N-th on; the log says when
// that happens.
#pragma once

#include <stdint.h>

namespace mk {

struct FaultInjection {
  uint64_t first;  // 0: none fails
  uint64_t times;
};

// `text`: N or N,T, both at least 1; false: it is neither.
bool parse_fault_injection(const char* text, FaultInjection& injection);

bool should_fail_allocation();
// From now on allocations count.
void start_fault_injection(const FaultInjection& injection);

}  // namespace mk
