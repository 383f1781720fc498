// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clocks go forwards, sleeping takes at least as long as it was asked to, and random bytes are not all the
// same.
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static int64_t now(clockid_t clock) {
  struct timespec time;
  // The system call itself: a vDSO may be there or not.
  CHECK_EQUAL(raw_syscall(SYS_clock_gettime, clock, (long)&time, 0, 0, 0, 0), 0);
  CHECK(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
  return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void clocks(void) {
  int64_t start = now(CLOCK_MONOTONIC), last = start;
  for (int i = 0; i < 1000; i++) {
    int64_t next = now(CLOCK_MONOTONIC);
    CHECK(next >= last);
    last = next;
  }
  struct timespec time;  // by the C library
  CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  CHECK(time.tv_sec * 1000000000L + time.tv_nsec >= last);
  for (int i = 0; i < 1000000 && now(CLOCK_MONOTONIC) == last; i++) {
  }
  CHECK(now(CLOCK_MONOTONIC) > last);  // and it does move
  say("the monotonic clock goes forwards");

  CHECK(now(CLOCK_REALTIME) > 1600000000L * 1000000000);  // after 2020
  struct timeval day;
  CHECK(gettimeofday(&day, NULL) == 0);
  CHECK(day.tv_sec > 1600000000 && day.tv_usec >= 0 && day.tv_usec < 1000000);
  CHECK_FAILS(clock_gettime(1000, &time), EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 16, 0, 0, 0, 0), -EFAULT);
  CHECK(clock_getres(CLOCK_MONOTONIC, &time) == 0);
  CHECK(time.tv_sec == 0 && time.tv_nsec > 0);
  say("the clock on the wall");
}

static void sleeping(void) {
  struct timespec duration = {.tv_nsec = 3000000};
  int64_t before = now(CLOCK_MONOTONIC);
  CHECK(nanosleep(&duration, NULL) == 0);
  CHECK(now(CLOCK_MONOTONIC) - before >= 3000000);
  duration.tv_nsec = 1000000000;
  CHECK_FAILS(nanosleep(&duration, NULL), EINVAL);
  static const int coarse[] = {CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE,
                               CLOCK_THREAD_CPUTIME_ID};
  for (int i = 0; i < 4; i++)  // before anything is looked at
    CHECK_EQUAL(raw_syscall(SYS_clock_nanosleep, coarse[i], 0, 16, 0, 0, 0), -EOPNOTSUPP);
  CHECK_EQUAL(raw_syscall(SYS_clock_nanosleep, 99, 0, 16, 0, 0, 0), -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_clock_nanosleep, CLOCK_TAI, 0, 16, 0, 0, 0), -EFAULT);
  say("sleep");
}

static void random_bytes(void) {
  uint64_t values[64];
  memset(values, 0, sizeof values);
  CHECK_EQUAL(getrandom(values, sizeof values, 0), sizeof values);
  for (int i = 0; i < 64; i++) {
    CHECK(values[i] != 0);
    for (int j = 0; j < i; j++) CHECK(values[i] != values[j]);
  }
  uint8_t some[16] = {0};
  CHECK_EQUAL(getrandom(some, 5, GRND_NONBLOCK), 5);
  for (int i = 5; i < 16; i++) CHECK_EQUAL(some[i], 0);
  CHECK_EQUAL(getrandom(some, 0, 0), 0);
  CHECK_FAILS(getrandom(some, 5, 0x1000), EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_getrandom, 16, 5, 0, 0, 0, 0), -EFAULT);
  say("random bytes");
}

int main(void) {
  clocks();
  sleeping();
  random_bytes();
  return 0;
}
