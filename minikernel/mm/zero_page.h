// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page of zeros that all never-written anonymous memory shares for reading. It is part of the kernel's
// image: no reference is held on it, and its entries are SPECIAL.
#pragma once

#include "mm/frame_allocator.h"

namespace mk {

Pfn zero_page_pfn();

}  // namespace mk
