// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the kernel's tasks were at when a machine stopped for good, for the report of a run.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "machine/machine.h"

namespace mmuscope::cli {

// Lines, or "" when the kernel is none that tells: without debug information, or not minikernel.
std::string task_report(Machine& machine, std::span<const uint8_t> kernel);

}  // namespace mmuscope::cli
