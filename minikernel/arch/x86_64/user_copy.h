// SPDX-License-Identifier: GPL-2.0-or-later
//
// The only way from the kernel to user memory: checks that the range lies in user space, allows the access
// (SMAP), and takes page faults as the program would. False: a part could not be touched; bytes before it may
// have been copied.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

bool copy_from_user(void* destination, uint64_t user, size_t bytes);
bool copy_to_user(uint64_t user, const void* source, size_t bytes);
bool clear_user(uint64_t user, size_t bytes);
// LOCK CMPXCHG of a word at a multiple of 4: `expected` becomes what was there.
bool compare_exchange_user(uint64_t user, uint32_t& expected, uint32_t desired);
// Copies a terminated string of up to `size` bytes with its end. Its length; `size` when no end was found;
// -EFAULT.
long strncpy_from_user(char* destination, uint64_t user, size_t size);

// Where a user-copy instruction at `rip` goes on when its fault cannot be repaired; 0: it is none.
uint64_t user_copy_fixup(uint64_t rip);

// For boot: the processor has SMAP, accesses must be allowed with STAC.
void use_smap();

}  // namespace mk
