// SPDX-License-Identifier: GPL-2.0-or-later
//
// The futex system call: musl comes without the kernel's headers.
#pragma once

#include <time.h>

#include "check.h"

enum {
  kFutexWait = 0,
  kFutexWake = 1,
  kFutexRequeue = 3,
  kFutexCmpRequeue = 4,
  kFutexWakeOp = 5,
  kFutexWaitBitset = 9,
  kFutexWakeBitset = 10,
  kFutexPrivate = 128,
  kFutexRealtime = 256,
};

static inline long futex(void* word, int operation, uint32_t value, const void* timeout_or_count,
                         void* second, uint32_t third) {
  return syscall(SYS_futex, word, operation, value, timeout_or_count, second, third);
}
