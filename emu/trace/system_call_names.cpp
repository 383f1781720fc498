// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/system_call_names.h"

#include <algorithm>
#include <iterator>

namespace mmuscope::trace {
namespace {

struct Name {
  uint64_t number;
  const char* name;
};
constexpr Name kNames[] = {
#include <system_call_names.inc>  // made by cmake/SystemCallNames.cmake
};

}  // namespace

std::string system_call_name(uint64_t number) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const Name& name) { return name.number == number; });
  return found != std::end(kNames) ? found->name : "system-call-" + std::to_string(number);
}

}  // namespace mmuscope::trace
