// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/fault_injection.h"

#include "lib/log.h"
#include "lib/number.h"
#include "lib/string.h"

namespace mk {
namespace {

uint64_t first;  // 0: never
uint64_t last;
uint64_t allocations;

}  // namespace

bool should_fail_allocation() {
  if (first == 0) return false;
  uint64_t number = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
  if (number < first || number > last) return false;
  log("fault injection: allocation %lu fails", number);
  return true;
}

void start_fault_injection(const char* text) {
  char number[24] = {};
  const char* comma = strchr(text, ',');
  size_t length = comma != nullptr ? static_cast<size_t>(comma - text) : strlen(text);
  uint64_t times = 1;
  if (length < sizeof(number)) memcpy(number, text, length);
  uint64_t wanted;
  if (!parse_number(number, wanted) || (comma != nullptr && !parse_number(comma + 1, times))) {
    log("fail_alloc=%s is not N or N,TIMES: nothing fails", text);
    return;
  }
  last = wanted + times - 1;
  first = wanted;
}

}  // namespace mk
