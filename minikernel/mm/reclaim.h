// SPDX-License-Identifier: GPL-2.0-or-later
//
// What to do when no frame is free: give back what is kept for speed; and when nothing is left, end the
// process that has most (Linux's mm/oom_kill.c).
#pragma once

namespace mk {

// True when frames may be free now. Called with locks held: takes none but its own.
bool reclaim_frames();

// Kills the process with most pages, so that the running one can repeat its access. True when that is another
// one.
bool out_of_memory();

}  // namespace mk
