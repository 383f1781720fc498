// SPDX-License-Identifier: GPL-2.0-or-later
//
// User memory as system calls use it. Everything checks that the range lies in user space, may take page
// faults, and must be called without a spinlock held, but for get_user_if_present(). The *_some functions
// stop at the first page that cannot be touched and return how many bytes were done, or -EFAULT when none
// were - what Linux's read and write families do.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/memory_layout.h"
#include "arch/x86_64/user_copy.h"

namespace mk {

template <typename T>
constexpr T min(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

long copy_out_some(uint64_t user, const void* source, size_t bytes);
long copy_in_some(void* destination, uint64_t user, size_t bytes);
long clear_some(uint64_t user, size_t bytes);

template <typename T>
bool get_user(T& value, uint64_t user) {
  return copy_from_user(&value, user, sizeof(T));
}
template <typename T>
bool put_user(uint64_t user, const T& value) {
  return copy_to_user(user, &value, sizeof(T));
}
// Whether the range lies in user space, whatever is there (Linux's access_ok).
inline bool access_ok(uint64_t user, size_t bytes) { return bytes <= kUserEnd && user <= kUserEnd - bytes; }
// Takes no page fault: false when that would be needed (Linux's get_user under pagefault_disable()).
bool get_user_if_present(uint32_t& value, uint64_t user);

}  // namespace mk
