// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/zero_page.h"

#include "arch/x86_64/memory_layout.h"

namespace mk {
namespace {

alignas(kPageSize) const volatile uint8_t zeros[kPageSize] = {};

}  // namespace

Pfn zero_page_pfn() { return virt_to_phys(const_cast<const uint8_t*>(zeros)) / kPageSize; }

}  // namespace mk
