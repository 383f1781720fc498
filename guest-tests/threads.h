// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads for the programs that need some.
#pragma once

#include <pthread.h>

#include "children.h"

// pthread functions return their error.
#define CHECK_ZERO(call) CHECK_EQUAL(call, 0)

enum { kThreads = 8 };

static inline pthread_t start(void* (*body)(void*), void* argument) {
  pthread_t thread;
  CHECK_ZERO(pthread_create(&thread, NULL, body, argument));
  return thread;
}

static inline void* result_of(pthread_t thread) {
  void* result;
  CHECK_ZERO(pthread_join(thread, &result));
  return result;
}

// All at once, with 0 ... kThreads - 1, which they must return.
static inline void run_all(void* (*body)(void*)) {
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; i++) threads[i] = start(body, (void*)i);
  for (long i = 0; i < kThreads; i++) CHECK_EQUAL((long)result_of(threads[i]), i);
}
