// SPDX-License-Identifier: GPL-2.0-or-later
//
// The C library's string and memory routines, which it picks by CPUID, against loops that read a byte at a
// time: at every alignment, up to the last byte before memory that must not be touched.
#include "check.h"

enum { kArea = 2 * kPage };

static char* left;   // the area's first byte lies behind an inaccessible page
static char* right;  // its last byte before one
static uint32_t random_state = 12345;

static uint32_t next_random(void) { return random_state = random_state * 1664525 + 1013904223; }

static volatile int zero_value = 0;  // keeps the compiler from computing lengths itself

static char* guarded_area(void) {
  char* memory = map_anonymous(kArea + 2 * kPage, PROT_READ | PROT_WRITE);
  CHECK(mprotect(memory, kPage, PROT_NONE) == 0);
  CHECK(mprotect(memory + kPage + kArea, kPage, PROT_NONE) == 0);
  return memory + kPage;
}

// Fills with letters that are not 0 and not '#'.
static void letters(char* memory, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) memory[i] = (char)('a' + next_random() % 26);
}

static void lengths_and_searches(size_t length) {
  char* text = right - length - 1;  // its 0 is the last byte there is
  letters(text, length);
  text[length] = (char)zero_value;
  CHECK_EQUAL(strlen(text), length);
  CHECK_EQUAL(strnlen(text, length + 100), length);
  CHECK(strchr(text, '#') == NULL);
  CHECK(strrchr(text, '#') == NULL);
  CHECK(memchr(text, '#', length) == NULL);
  CHECK(strchr(text, 0) == text + length);
  CHECK(memchr(text, 0, length + 1000) == text + length);  // stops where it finds, whatever it was allowed
  if (length > 0) {
    size_t place = next_random() % length;
    char old = text[place];
    text[place] = '#';
    CHECK(strchr(text, '#') == text + place);
    CHECK(strrchr(text, '#') == text + place);
    CHECK(memchr(text, '#', length) == text + place);
    CHECK(memrchr(text, '#', length) == text + place);
    CHECK_EQUAL(strcspn(text, "#"), place);
    text[place] = old;
  }
}

static void copies(size_t length, size_t alignment) {
  char* source = right - length;
  char* target = left + alignment;
  letters(source, length);
  target[length] = '#';
  CHECK(memcpy(target, source, length) == target);
  for (size_t i = 0; i < length; i++) CHECK_EQUAL(target[i], source[i]);
  CHECK_EQUAL(target[length], '#');
  CHECK_EQUAL(memcmp(target, source, length), 0);
  if (length > 0) {
    size_t place = next_random() % length;
    target[place]++;
    CHECK(memcmp(target, source, length) > 0);
    CHECK(memcmp(source, target, length) < 0);
    target[place]--;
  }
  // Overlapping, in both directions.
  CHECK(memmove(target + 5, target, length) == target + 5);
  for (size_t i = 0; i < length; i++) CHECK_EQUAL(target[i + 5], source[i]);
  CHECK(memmove(target, target + 5, length) == target);
  for (size_t i = 0; i < length; i++) CHECK_EQUAL(target[i], source[i]);
  CHECK(memset(source, 0x5a, length) == source);
  for (size_t i = 0; i < length; i++) CHECK_EQUAL(source[i], 0x5a);
}

static void comparisons(size_t length) {
  char* one = right - length - 1;
  char* other = left + next_random() % 64;
  letters(one, length);
  one[length] = (char)zero_value;
  CHECK(strcpy(other, one) == other);
  CHECK_EQUAL(strcmp(one, other), 0);
  CHECK_EQUAL(strncmp(one, other, length + 50), 0);
  CHECK_EQUAL(strcasecmp(one, other), 0);
  if (length > 0) {
    size_t place = next_random() % length;
    other[place] = '#';  // below all letters
    CHECK(strcmp(one, other) > 0);
    CHECK(strcmp(other, one) < 0);
    CHECK_EQUAL(strncmp(one, other, place), 0);
    other[place] = 0;
    CHECK_EQUAL(strlen(other), place);
    CHECK(strcmp(one, other) > 0);
  }
}

int main(void) {
  left = guarded_area();
  right = guarded_area() + kArea;
  for (size_t length = 0; length < 300; length++) {
    lengths_and_searches(length);
    comparisons(length);
    copies(length, length % 67);
  }
  say("every length up to 300");
  for (size_t length = 300; length < kArea - 200; length += 97) {
    lengths_and_searches(length);
    comparisons(length);
    copies(length, length % 67);
  }
  say("longer ones");
  return 0;
}
