// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first program, and the end of the machine with it: when it has ended, all others are killed, and when
// the last is gone the machine is told the status, unless frames are missing.
#pragma once

namespace mk {

inline constexpr int kInitPid = 1;

// By init's last thread; `status` as a shell shows it.
void init_has_ended(int status);
// By whoever was the last of a process, or of the kernel's threads: what the boot CPU may be waiting for.
void something_has_ended();
// By the boot CPU when it idles. Does not come back once everybody has ended.
void end_when_init_has();

}  // namespace mk
