// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/x86_64/random.h"

#include "lib/spinlock.h"

namespace mk {
namespace {

Spinlock lock;
uint64_t state[4];

uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

uint64_t next() {
  uint64_t result = rotate(state[1] * 5, 7) * 9;
  uint64_t shifted = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotate(state[3], 45);
  return result;
}

}  // namespace

void seed_random(uint64_t seed) {
  // SplitMix64, as the generator's authors advise.
  for (uint64_t& word : state) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    word = z ^ z >> 31;
  }
}

void random_bytes(void* out, size_t bytes) {
  SpinlockGuard guard(lock);
  auto* to = static_cast<uint8_t*>(out);
  for (size_t i = 0; i < bytes;)
    for (uint64_t word = next(), left = 8; left > 0 && i < bytes; --left, word >>= 8)
      to[i++] = static_cast<uint8_t>(word);
}

}  // namespace mk
