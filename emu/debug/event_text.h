// SPDX-License-Identifier: GPL-2.0-or-later
//
// An event in a line, for people at a debugger.
#pragma once

#include <functional>
#include <string>

#include "trace/event.h"

namespace mmuscope::debug {

// "main+0x12"; "" where nothing is known.
using Names = std::function<std::string(uint64_t address)>;

// The name, or the address where there is none.
std::string name_or_address(const Names& names, uint64_t address);

// "page fault, user write of 0x7f00 at main+0x12: write-protected in pt entry 0x8...25 (P U A ZERO XD)"
std::string event_text(const trace::Event& event, const Names& names);

}  // namespace mmuscope::debug
