// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waiting in user memory: futex(2), Linux kernel/futex/. A word is known by its address space and address,
// or, where it is shared with other processes, by the file behind the mapping and the offset there: never by
// the frame, which is not looked at.
#pragma once

#include <stdint.h>

namespace mk {

struct Task;

struct FutexWait {
  uint64_t word = 0;
  uint32_t value = 0;
  uint32_t bits = ~0u;
  bool is_private = false;
  uint64_t end = ~0ul;  // now_ns(); kNever: no limit
};

long futex_wait(const FutexWait& wait);  // 0, -EAGAIN, -ETIMEDOUT, -ERESTARTSYS, -EFAULT, -EINVAL
long futex_wake(uint64_t word, uint32_t most, uint32_t bits, bool is_private);
// Wakes `wake` tasks and lets `move` others wait for word2; with `compare` only if *word is *compare
// (-EAGAIN).
long futex_requeue(uint64_t word, uint64_t word2, uint32_t wake, uint32_t move, const uint32_t* compare,
                   bool is_private);
// FUTEX_WAKE_OP.
long futex_wake_op(uint64_t word, uint64_t word2, uint32_t wake, uint32_t wake2, uint32_t operation,
                   bool is_private);

// What a thread leaves behind: its robust list, and the word that says it lives (CLONE_CHILD_CLEARTID).
void exit_futexes(Task& task);

}  // namespace mk
