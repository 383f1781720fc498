// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm/aperture.h"

namespace mk {
namespace {

Pfn start_of_aperture;

}  // namespace

Pfn aperture_start() { return start_of_aperture; }
void set_aperture_start(Pfn start) { start_of_aperture = start; }

}  // namespace mk
