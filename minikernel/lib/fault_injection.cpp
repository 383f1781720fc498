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

bool parse_fault_injection(const char* text, FaultInjection& injection) {
  char number[24] = {};
  const char* comma = strchr(text, ',');
  size_t length = comma != nullptr ? static_cast<size_t>(comma - text) : strlen(text);
  injection.times = 1;
  if (length < sizeof(number)) memcpy(number, text, length);
  return parse_number(number, injection.first) && injection.first != 0 &&
         (comma == nullptr || (parse_number(comma + 1, injection.times) && injection.times != 0));
}

void start_fault_injection(const FaultInjection& injection) {
  if (__builtin_add_overflow(injection.first, injection.times - 1, &last)) last = ~0ul;
  first = injection.first;
}

}  // namespace mk
