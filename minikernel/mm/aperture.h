// SPDX-License-Identifier: GPL-2.0-or-later
//
// The aperture: memory of the machine that is no memory of the kernel's. It lies at the top of RAM and is
// left out at boot, so it has no frame descriptors, no counts, and never comes from the allocator: like a
// device's memory, with the difference that every machine has it. /dev/aperture maps it (fs/aperture.cpp).
// Its entries are SPECIAL; what can be done to such a page is what can be done to its entry alone.
#pragma once

#include <stdint.h>

#include "mm/frame_allocator.h"

namespace mk {

inline constexpr uint64_t kApertureBytes = 1ul << 20;

// Where it is; 0 when the machine is too small for one.
Pfn aperture_start();
// For boot.
void set_aperture_start(Pfn start);

}  // namespace mk
