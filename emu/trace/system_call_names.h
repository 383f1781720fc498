// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names of x86-64 system calls, from the installed <asm/unistd_64.h> (the table is made by CMake).
#pragma once

#include <cstdint>
#include <string>

namespace mmuscope::trace {

std::string system_call_name(uint64_t number);  // "mmap"; "system-call-1234" when it has none

}  // namespace mmuscope::trace
