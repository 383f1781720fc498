// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the kernel's tasks were at when a machine stopped for good, for the report of a run.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "machine/machine.h"

namespace mmuscope::cli {

// What an address is to a task's program: "main+0x12", or "".
using PlaceName = std::function<std::string(uint32_t pid, uint64_t address)>;

// Lines, and for those that sleep which system call that is in and where it was called; "" when the kernel is
// none that tells: without debug information, or not minikernel.
std::string task_report(Machine& machine, std::span<const uint8_t> kernel, const PlaceName& name);

}  // namespace mmuscope::cli
