// SPDX-License-Identifier: GPL-2.0-or-later
//
// The life of threads: their beginning and end, what is each one's own, cancellation, signals to one of them,
// what becomes of them when a process forks or ends; and threads that fault in the same memory at the same
// time.
#include "threads.h"

#include <sched.h>
#include <semaphore.h>

#include "random.h"

static pthread_barrier_t barrier;

static void* square(void* argument) { return (void*)((long)argument * (long)argument); }

static void create_and_join(void) {
  long sum = 0, expected = 0;
  for (long i = 0; i < 200; i++) {
    sum += (long)result_of(start(square, (void*)i));
    expected += i * i;
  }
  enum { kAtOnce = 100 };
  pthread_t threads[kAtOnce];
  pthread_attr_t small;
  CHECK_ZERO(pthread_attr_init(&small));
  CHECK_ZERO(pthread_attr_setstacksize(&small, 64 * 1024));
  for (long i = 0; i < kAtOnce; i++) CHECK_ZERO(pthread_create(&threads[i], &small, square, (void*)i));
  for (long i = kAtOnce - 1; i >= 0; i--) {
    sum += (long)result_of(threads[i]);
    expected += i * i;
  }
  CHECK_EQUAL(sum, expected);
  say("200 threads in turn, %d at once", kAtOnce);
}

static __thread int initialised = 1234;
static __thread char zeros[3 * kPage];
static __thread long aligned_local __attribute__((aligned(64))) = -5;
static pthread_key_t key, second_key;
static int destroyed;

static void destroy(void* value) {
  __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_RELAXED);
  if ((long)value == 1) CHECK_ZERO(pthread_setspecific(second_key, (void*)1000));  // one more round
}

static void* use_locals(void* argument) {
  long self = (long)argument;
  CHECK_EQUAL(initialised, 1234);
  CHECK_EQUAL(aligned_local, -5);
  CHECK_EQUAL((uintptr_t)&aligned_local % 64, 0);
  for (size_t i = 0; i < sizeof zeros; i += 512) CHECK_EQUAL(zeros[i], 0);
  initialised += (int)self;
  memset(zeros, (int)self + 1, sizeof zeros);
  CHECK(pthread_getspecific(key) == NULL);
  CHECK_ZERO(pthread_setspecific(key, (void*)(self + 1)));
  errno = (int)self;
  pthread_barrier_wait(&barrier);
  CHECK_EQUAL(errno, self);
  CHECK_EQUAL(initialised, 1234 + self);
  for (size_t i = 0; i < sizeof zeros; i += 512) CHECK_EQUAL(zeros[i], self + 1);
  CHECK_EQUAL((long)pthread_getspecific(key), self + 1);
  return argument;
}

static void thread_local_storage(void) {
  CHECK_ZERO(pthread_key_create(&key, destroy));
  CHECK_ZERO(pthread_key_create(&second_key, destroy));
  run_all(use_locals);
  CHECK_EQUAL(destroyed, 1000 + kThreads * (kThreads + 1) / 2);
  CHECK_EQUAL(initialised, 1234);
  CHECK_ZERO(pthread_key_delete(key));
  say("thread-local storage, thread-specific data, errno");
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int cleaned[3];
static sem_t reached;
static void clean(void* argument) { ++*(int*)argument; }

// 0 waits in read(), 1 in a condition variable, 2 runs and asks now and then.
static void* be_cancelled(void* argument) {
  static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  long how = (long)argument;
  int old;
  pthread_cleanup_push(clean, &cleaned[how]);
  CHECK_ZERO(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
  CHECK_EQUAL(old, PTHREAD_CANCEL_ENABLE);
  CHECK(sem_post(&reached) == 0);
  pthread_testcancel();  // not now
  CHECK_ZERO(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
  if (how == 0) {
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    CHECK_EQUAL(read(ends[0], &byte, 1), 1);
  } else if (how == 1) {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push((void (*)(void*))(void*)pthread_mutex_unlock, &mutex);
    for (;;) pthread_cond_wait(&never, &mutex);
    pthread_cleanup_pop(1);
  } else {
    for (;;) pthread_testcancel();
  }
  pthread_cleanup_pop(0);
  return NULL;
}

static void cancellation(void) {
  CHECK(sem_init(&reached, 0, 0) == 0);
  for (long how = 0; how < 3; how++) {
    pthread_t thread = start(be_cancelled, (void*)how);
    CHECK(sem_wait(&reached) == 0);
    if (how < 2) usleep(1000);  // most likely it waits by now; it must work either way
    CHECK_ZERO(pthread_cancel(thread));
    CHECK(result_of(thread) == PTHREAD_CANCELED);
    CHECK_EQUAL(cleaned[how], 1);
  }
  CHECK_ZERO(pthread_mutex_trylock(&mutex));  // was unlocked by a handler
  CHECK_ZERO(pthread_mutex_unlock(&mutex));
  say("cancellation");
}

static __thread volatile int signals_here;
static volatile int signalled[kThreads];

static void note(int signal) { signals_here += signal == SIGUSR1; }

static void* be_signalled(void* argument) {
  pthread_barrier_wait(&barrier);
  while (signals_here < 3) sched_yield();
  signalled[(long)argument] = signals_here;
  return argument;
}

static void signals_to_threads(void) {
  CHECK(signal(SIGUSR1, note) != SIG_ERR);
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; i++) threads[i] = start(be_signalled, (void*)i);
  bool ended[kThreads] = {false};
  for (int left = kThreads; left > 0;) {
    for (int i = 0; i < kThreads; i++) {
      if (ended[i]) continue;
      if (signalled[i]) {
        result_of(threads[i]);
        ended[i] = true;
        left--;
      } else {
        CHECK_ZERO(pthread_kill(threads[i], SIGUSR1));
      }
    }
    sched_yield();
  }
  CHECK_EQUAL(signals_here, 0);
  CHECK_ZERO(pthread_kill(pthread_self(), SIGUSR1));
  CHECK_EQUAL(signals_here, 1);
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  say("signals reach the thread they are sent to");
}

static void* use_stack(void* argument) {
  size_t bytes = (size_t)argument;
  volatile char* memory = __builtin_alloca(bytes);
  for (size_t i = 0; i < bytes; i += kPage) memory[bytes - 1 - i] = (char)(i / kPage);
  for (size_t i = 0; i < bytes; i += kPage) CHECK_EQUAL(memory[bytes - 1 - i], (char)(i / kPage));
  return argument;
}

static void* post(void* argument) {
  CHECK(sem_post(&reached) == 0);
  return argument;
}

static void attributes(void) {
  static const size_t kilobytes[] = {64, 256, 1024, 4096};
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_ZERO(pthread_attr_init(&attributes));
  for (size_t i = 0; i < 4; i++) {
    size_t bytes = kilobytes[i] * 1024;
    CHECK_ZERO(pthread_attr_setstacksize(&attributes, bytes));
    CHECK_ZERO(pthread_create(&thread, &attributes, use_stack, (void*)(bytes - 32 * 1024)));
    CHECK_EQUAL(result_of(thread), bytes - 32 * 1024);
  }
  CHECK_EQUAL(pthread_attr_setstacksize(&attributes, 100), EINVAL);
  char* stack = map_anonymous(128 * 1024, PROT_READ | PROT_WRITE);
  CHECK_ZERO(pthread_attr_setstack(&attributes, stack, 128 * 1024));
  CHECK_ZERO(pthread_create(&thread, &attributes, use_stack, (void*)(64L * 1024)));
  CHECK_EQUAL(result_of(thread), 64 * 1024);
  CHECK(munmap(stack, 128 * 1024) == 0);
  CHECK_ZERO(pthread_attr_destroy(&attributes));

  CHECK_ZERO(pthread_attr_init(&attributes));
  CHECK_ZERO(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
  for (int i = 0; i < 100; i++) {
    CHECK_ZERO(pthread_create(&thread, i % 2 ? &attributes : NULL, post, NULL));
    if (i % 2 == 0) CHECK_ZERO(pthread_detach(thread));
  }
  for (int i = 0; i < 100; i++) CHECK(sem_wait(&reached) == 0);
  say("stacks of all sizes, detached threads");
}

// The process lives as long as its last thread. (Not in a child: musl 1.2.3 hangs when the first thread of a
// forked process ends.)
static void* exit_later(void* argument) {
  CHECK_ZERO(pthread_join(*(pthread_t*)argument, NULL));  // the first thread
  say("the first thread has ended");
  exit(5);
}

static void first_thread_ends(void) {
  static pthread_t first;
  first = pthread_self();
  start(exit_later, &first);
  pthread_exit(NULL);
}

static volatile long ticks;
static void* tick(void* argument) {
  for (;;) {
    ticks++;
    if (argument) sched_yield();
  }
  return argument;
}

// fork takes only the thread that called it; exit and signals take all.
static void threads_and_processes(void) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    for (int i = 0; i < 3; i++) start(tick, (void*)"yields");
    while (ticks < 1000) sched_yield();
    pid_t inner = checked_fork();
    if (inner == 0) {
      long before = ticks;
      for (int i = 0; i < 20; i++) sched_yield();
      usleep(1000);
      CHECK_EQUAL(ticks, before);
      result_of(start(square, NULL));  // and can have threads of its own
      _exit(6);
    }
    CHECK_EXITS(inner, 6);
    _exit(7);  // with three threads running
  }
  CHECK_EXITS(pid, 7);
  pid = checked_fork();
  if (pid == 0) {
    for (int i = 0; i < 3; i++) start(tick, NULL);
    raise(SIGTERM);
  }
  CHECK_KILLED(pid, SIGTERM);
  say("fork takes one thread, exit and signals end all");
}

// All threads touch the same fresh pages at once, each its own bytes: no page may be filled twice.
enum { kRacePages = 64, kRaceRounds = 8 };
static char* race;

static void* touch(void* argument) {
  long self = (long)argument;
  struct Random random = {(uint64_t)self};
  for (int round = 1; round <= kRaceRounds; round++) {
    pthread_barrier_wait(&barrier);
    uint32_t first = round % 2 ? 0 : below(&random, kRacePages);  // in step, or anywhere
    for (uint32_t i = 0; i < kRacePages; i++) {
      char* page = race + (first + i) % kRacePages * kPage;
      CHECK_EQUAL(read_byte(page + kPage / 2 + self), 0);
      for (int n = 0; n < 4; n++) write_byte(page + n * kThreads + self, (uint8_t)(self * 16 + round));
    }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < kRacePages; i++) {
      for (int n = 0; n < 4 * kThreads; n++)
        CHECK_EQUAL(read_byte(race + i * kPage + n), n % kThreads * 16 + round);
    }
    pthread_barrier_wait(&barrier);
    if (self == 0) {  // fresh pages for the next round
      int kind = round % 2 ? MAP_SHARED : MAP_PRIVATE;
      CHECK(mmap(race, kRacePages * kPage, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            race);
    }
  }
  return argument;
}

static void faults_at_once(void) {
  race = map_anonymous(kRacePages * kPage, PROT_READ | PROT_WRITE);
  run_all(touch);
  CHECK(munmap(race, kRacePages * kPage) == 0);
  say("%d threads fault in %d pages, %d times", kThreads, kRacePages, kRaceRounds);
}

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "first-thread-ends") == 0) first_thread_ends();
  CHECK_ZERO(pthread_barrier_init(&barrier, NULL, kThreads));
  create_and_join();
  thread_local_storage();
  cancellation();
  signals_to_threads();
  attributes();
  threads_and_processes();
  faults_at_once();
  return 0;
}
