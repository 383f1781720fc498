// SPDX-License-Identifier: GPL-2.0-or-later
//
// Timers that are read: timerfd_create(2), Linux fs/timerfd.c. A periodic one does not run on between an
// expiry and the read that asks for it: what was missed is counted then. Times are those of now_ns().
#pragma once

#include "fs/file.h"
#include "lib/result.h"

namespace mk {

struct TimerState {
  uint64_t left_ns = 0;  // 0: disarmed
  uint64_t interval_ns = 0;
};

// `flags`: O_NONBLOCK; `realtime`: it goes by the wall clock. ENOMEM.
Result<Ref<File>> make_timer_fd(unsigned flags, bool realtime);
// False: the file is no timer.
bool is_timer_fd(File& file);
bool timer_fd_is_realtime(File& file);
TimerState get_timer_fd(File& file);
// What it was before. `expires`: kNever disarms it.
TimerState set_timer_fd(File& file, uint64_t expires, uint64_t interval_ns);

}  // namespace mk
