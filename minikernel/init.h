// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first program, and the end of the machine with it.
#pragma once

namespace mk {

inline constexpr int kInitPid = 1;

// Everything of init has been given back; `status` as a shell shows it. Checks that no frame is missing.
[[noreturn]] void init_exited(int status);

}  // namespace mk
