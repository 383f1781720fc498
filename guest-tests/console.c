// SPDX-License-Identifier: GPL-2.0-or-later
//
// `console [lines]`: copies its input to its output, as cat does, in reads of whatever size; with `lines` by
// stdio, each line numbered. Then says how much it was, so that a byte lost or doubled on the way shows.
#include "check.h"

static unsigned long bytes, hash = 5381;

static void count(const char* text, size_t length) {
  for (size_t i = 0; i < length; i++) hash = hash * 33 + (unsigned char)text[i];
  bytes += length;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "lines") == 0) {
    char line[300];
    for (int number = 1; fgets(line, sizeof line, stdin) != NULL; number++) {
      count(line, strlen(line));
      printf("%4d  %s", number, line);
    }
    CHECK(feof(stdin) && !ferror(stdin));
    fflush(stdout);
  } else {
    static char buffer[3000];
    static const size_t sizes[] = {1, 7, 64, 1000, sizeof buffer};
    for (unsigned turn = 0;; turn++) {
      ssize_t got = read(0, buffer, sizes[turn % 5]);
      CHECK(got >= 0 && (size_t)got <= sizes[turn % 5]);
      if (got == 0) break;
      count(buffer, (size_t)got);
      write_all(buffer, (size_t)got);
    }
  }
  CHECK_EQUAL(read(0, NULL, 0), 0);
  say("[%lu bytes, hash %016lx]", bytes, hash);
  return 0;
}
