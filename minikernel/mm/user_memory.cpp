// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/user_memory.h"

#include <asm/errno.h>

#include "proc/scheduler.h"
#include "proc/task.h"

namespace mk {
namespace {

// Calls copy(offset, bytes) for the parts of [user, user + bytes) that lie in one page each.
template <typename Copy>
long page_by_page(uint64_t user, size_t bytes, Copy copy) {
  constexpr unsigned kPagesAtATime = 64;
  unsigned pages = 0;
  size_t done = 0;
  while (done < bytes) {
    size_t part = min(bytes - done, 4096 - ((user + done) & 4095));
    if (!copy(done, part)) return done > 0 ? static_cast<long>(done) : -EFAULT;
    done += part;
    if (++pages % kPagesAtATime == 0) let_others_run();
  }
  return static_cast<long>(done);
}

}  // namespace

bool get_user_if_present(uint32_t& value, uint64_t user) {
  current().takes_no_faults = true;
  bool read = copy_from_user(&value, user, sizeof(value));
  current().takes_no_faults = false;
  return read;
}

long copy_out_some(uint64_t user, const void* source, size_t bytes) {
  const char* from = static_cast<const char*>(source);
  return page_by_page(user, bytes, [&](size_t offset, size_t part) {
    return copy_to_user(user + offset, from + offset, part);
  });
}

long copy_in_some(void* destination, uint64_t user, size_t bytes) {
  char* to = static_cast<char*>(destination);
  return page_by_page(user, bytes, [&](size_t offset, size_t part) {
    return copy_from_user(to + offset, user + offset, part);
  });
}

long clear_some(uint64_t user, size_t bytes) {
  return page_by_page(user, bytes,
                      [&](size_t offset, size_t part) { return clear_user(user + offset, part); });
}

}  // namespace mk
