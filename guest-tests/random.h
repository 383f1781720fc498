// SPDX-License-Identifier: GPL-2.0-or-later
//
// Random numbers that are the same on every run: splitmix64.
#pragma once

#include <stdint.h>

struct Random {
  uint64_t state;
};

static inline uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

static inline uint64_t next_random(struct Random* random) { return mix(random->state += 0x9e3779b97f4a7c15); }

static inline uint32_t below(struct Random* random, uint32_t limit) {
  return (uint32_t)(((next_random(random) >> 32) * limit) >> 32);
}

// A stream of its own for somebody's n-th child.
static inline struct Random branch(const struct Random* random, uint64_t n) {
  return (struct Random){mix(random->state ^ mix(n + 1))};
}
