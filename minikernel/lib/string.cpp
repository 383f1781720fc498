// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/string.h"

#include <stdint.h>

// The compiler must not turn these loops into calls of themselves.
#pragma GCC optimize("no-tree-loop-distribute-patterns")

// Whatever lies there, eight bytes at a time, aligned or not.
using Word [[gnu::may_alias, gnu::aligned(1)]] = uint64_t;

// Pages are cleared and copied in steps of a cache line: emulators execute REP an iteration at a time, each
// of which costs them as much as all the stores of a step.
extern "C" {

void* memcpy(void* destination, const void* source, size_t bytes) {
  auto* to = static_cast<Word*>(destination);
  auto* from = static_cast<const Word*>(source);
  for (; bytes >= 8 * sizeof(Word); bytes -= 8 * sizeof(Word), to += 8, from += 8) {
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
    to[4] = from[4];
    to[5] = from[5];
    to[6] = from[6];
    to[7] = from[7];
  }
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return destination;
}

void* memmove(void* destination, const void* source, size_t bytes) {
  auto* to = static_cast<uint8_t*>(destination);
  auto* from = static_cast<const uint8_t*>(source);
  if (to <= from || to >= from + bytes) return memcpy(destination, source, bytes);
  while (bytes-- > 0) to[bytes] = from[bytes];
  return destination;
}

void* memset(void* destination, int byte, size_t bytes) {
  auto* to = static_cast<Word*>(destination);
  uint64_t pattern = static_cast<uint8_t>(byte) * 0x0101010101010101ul;
  for (; bytes >= 8 * sizeof(Word); bytes -= 8 * sizeof(Word), to += 8)
    to[0] = to[1] = to[2] = to[3] = to[4] = to[5] = to[6] = to[7] = pattern;
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
  return destination;
}

int memcmp(const void* a, const void* b, size_t bytes) {
  auto* left = static_cast<const uint8_t*>(a);
  auto* right = static_cast<const uint8_t*>(b);
  for (size_t i = 0; i < bytes; ++i)
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  return 0;
}

size_t strlen(const char* text) {
  size_t length = 0;
  while (text[length] != 0) ++length;
  return length;
}

size_t strnlen(const char* text, size_t limit) {
  size_t length = 0;
  while (length < limit && text[length] != 0) ++length;
  return length;
}

int strncmp(const char* a, const char* b, size_t limit) {
  for (size_t i = 0; i < limit; ++i) {
    auto left = static_cast<uint8_t>(a[i]);
    auto right = static_cast<uint8_t>(b[i]);
    if (left != right) return left < right ? -1 : 1;
    if (left == 0) return 0;
  }
  return 0;
}

int strcmp(const char* a, const char* b) { return strncmp(a, b, SIZE_MAX); }

char* strchr(const char* text, int character) {
  for (;; ++text) {
    if (*text == static_cast<char>(character)) return const_cast<char*>(text);
    if (*text == 0) return nullptr;
  }
}

}  // extern "C"
