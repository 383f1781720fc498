// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/user_copy.h"

#include <asm/errno.h>

#include "arch/x86_64/memory_layout.h"
#include "lib/string.h"

extern "C" bool user_copy(void* destination, const void* source, size_t bytes);
extern "C" bool user_clear(void* destination, size_t bytes);
extern "C" bool user_compare_exchange(void* word, uint32_t* expected, uint32_t desired);
extern "C" bool smap_in_use;
bool smap_in_use;

namespace mk {
namespace {

struct Fixup {
  uint64_t at;
  uint64_t target;
};
extern "C" const Fixup fixup_table_start[], fixup_table_end[];

bool is_user_range(uint64_t user, size_t bytes) { return user <= kUserEnd && bytes <= kUserEnd - user; }

void* pointer(uint64_t user) { return reinterpret_cast<void*>(user); }

}  // namespace

bool copy_from_user(void* destination, uint64_t user, size_t bytes) {
  return is_user_range(user, bytes) && user_copy(destination, pointer(user), bytes);
}

bool copy_to_user(uint64_t user, const void* source, size_t bytes) {
  return is_user_range(user, bytes) && user_copy(pointer(user), source, bytes);
}

bool clear_user(uint64_t user, size_t bytes) {
  return is_user_range(user, bytes) && user_clear(pointer(user), bytes);
}

bool compare_exchange_user(uint64_t user, uint32_t& expected, uint32_t desired) {
  return is_user_range(user, sizeof(expected)) && user_compare_exchange(pointer(user), &expected, desired);
}

long strncpy_from_user(char* destination, uint64_t user, size_t size) {
  size_t done = 0;
  while (done < size) {
    // Never beyond the page that holds the end of the string.
    size_t part = kPageSize - (user + done) % kPageSize;
    if (part > size - done) part = size - done;
    if (!copy_from_user(destination + done, user + done, part)) return -EFAULT;
    size_t length = strnlen(destination + done, part);
    done += length;
    if (length < part) break;
  }
  return static_cast<long>(done);
}

uint64_t user_copy_fixup(uint64_t rip) {
  for (const Fixup* fixup = fixup_table_start; fixup != fixup_table_end; ++fixup)
    if (fixup->at == rip) return fixup->target;
  return 0;
}

void use_smap() { smap_in_use = true; }

}  // namespace mk
