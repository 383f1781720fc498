// SPDX-License-Identifier: GPL-2.0-or-later
//
// Soft-dirty marks (Linux, Documentation/admin-guide/mm/soft-dirty.rst): 4 to /proc/PID/clear_refs takes them
// all away, bit 55 of a page's word in /proc/PID/pagemap says whether it was written since.
#pragma once

#include "tap.h"

static inline bool is_soft_dirty(const char* page) {
  uint64_t word = 0;
  int pagemap = open("/proc/self/pagemap", O_RDONLY);
  MUST(pagemap >= 0);
  MUST(pread(pagemap, &word, sizeof word, (off_t)((uintptr_t)page / kPage * sizeof word)) == sizeof word);
  MUST(close(pagemap) == 0);
  return word >> 55 & 1;
}

static inline void clear_soft_dirty(void) {
  int clear_refs = open("/proc/self/clear_refs", O_WRONLY);
  MUST(clear_refs >= 0);
  MUST(write(clear_refs, "4", 1) == 1);
  MUST(close(clear_refs) == 0);
}

// In kernels without CONFIG_MEM_SOFT_DIRTY the bit is always clear.
static inline bool has_soft_dirty(void) {
  char* probe = private_pages(1);
  put(probe, 1);
  bool has = access("/proc/self/clear_refs", W_OK) == 0 && is_soft_dirty(probe);
  MUST(munmap(probe, kPage) == 0);
  return has;
}

static inline void need_soft_dirty(void) {
  if (!has_soft_dirty()) skip("no soft-dirty marks");
}
