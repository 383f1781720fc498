// SPDX-License-Identifier: GPL-2.0-or-later
//
// Kernel objects. Sizes are rounded up to a power of two from 32 bytes; an object is aligned to its rounded
// size, up to a page. Objects up to 2048 bytes come from slabs of one frame, larger ones (up to kMaxKmalloc)
// are a frame each. A slab with no object left gives its frame back at once: the number of free frames tells
// whether anything leaked.
#pragma once

#include <stddef.h>

namespace mk {

inline constexpr size_t kMaxKmalloc = 4096;

void* kmalloc(size_t bytes);  // null when memory is out or `bytes` is above kMaxKmalloc
void kfree(void* object);     // null is fine

}  // namespace mk

inline void* operator new(size_t, void* place) noexcept { return place; }
