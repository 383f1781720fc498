// SPDX-License-Identifier: GPL-2.0-or-later
//
// Random bytes that repeat: a generator (xoshiro256**, Blackman and Vigna, 2018) seeded by the command line's
// seed=N. Nothing here is secret, and nothing should be.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace mk {

void seed_random(uint64_t seed);
void random_bytes(void* out, size_t bytes);

}  // namespace mk
