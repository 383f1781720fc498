// SPDX-License-Identifier: GPL-2.0-or-later
//
// What threads and processes wait for each other with: mutexes, robust ones too, condition variables,
// barriers, readers' and writers' locks, semaphores. They are the C library's, on top of futexes.
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static long shared_counter, atomic_counter;

static void* increment(void* argument) {
  for (int i = 0; i < 3000; i++) {
    CHECK_ZERO(pthread_mutex_lock(&mutex));
    shared_counter++;
    CHECK_ZERO(pthread_mutex_unlock(&mutex));
    __atomic_add_fetch(&atomic_counter, 1, __ATOMIC_RELAXED);
    if (i % 100 == (long)argument) sched_yield();
  }
  return argument;
}

// Held over a sched_yield(), so that the others do find it taken and wait in the kernel.
static void* increment_slowly(void* argument) {
  for (int i = 0; i < 50; i++) {
    CHECK_ZERO(pthread_mutex_lock(&mutex));
    long value = shared_counter;
    sched_yield();
    shared_counter = value + 1;
    CHECK_ZERO(pthread_mutex_unlock(&mutex));
  }
  return argument;
}

static void mutexes(void) {
  run_all(increment);
  CHECK_EQUAL(shared_counter, 3000 * kThreads);
  CHECK_EQUAL(atomic_counter, 3000 * kThreads);
  run_all(increment_slowly);
  CHECK_EQUAL(shared_counter, 3050 * kThreads);

  pthread_mutexattr_t attributes;
  pthread_mutex_t recursive, checking;
  CHECK_ZERO(pthread_mutexattr_init(&attributes));
  CHECK_ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE));
  CHECK_ZERO(pthread_mutex_init(&recursive, &attributes));
  CHECK_ZERO(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK));
  CHECK_ZERO(pthread_mutex_init(&checking, &attributes));
  for (int i = 0; i < 3; i++) CHECK_ZERO(pthread_mutex_lock(&recursive));
  for (int i = 0; i < 3; i++) CHECK_ZERO(pthread_mutex_unlock(&recursive));
  CHECK_ZERO(pthread_mutex_lock(&checking));
  CHECK_EQUAL(pthread_mutex_lock(&checking), EDEADLK);
  CHECK_EQUAL(pthread_mutex_trylock(&checking), EBUSY);
  CHECK_ZERO(pthread_mutex_unlock(&checking));
  CHECK_EQUAL(pthread_mutex_unlock(&checking), EPERM);
  CHECK_ZERO(pthread_mutex_lock(&mutex));
  struct timespec past = {0, 0}, soon;
  CHECK(clock_gettime(CLOCK_REALTIME, &soon) == 0);
  soon.tv_nsec += 1000000;
  if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
  CHECK_EQUAL(pthread_mutex_timedlock(&mutex, &past), ETIMEDOUT);
  CHECK_EQUAL(pthread_mutex_timedlock(&mutex, &soon), ETIMEDOUT);
  CHECK_ZERO(pthread_mutex_unlock(&mutex));
  say("mutexes");
}

// A queue of four places between two producers and the rest.
static struct {
  pthread_mutex_t lock;
  pthread_cond_t not_full, not_empty;
  int items[4], count, produced, consumed;
  long sum;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0, 0, 0};
enum { kItems = 1000 };

static void* produce_or_consume(void* argument) {
  bool producer = (long)argument < 2;
  CHECK_ZERO(pthread_mutex_lock(&queue.lock));
  while (producer ? queue.produced < kItems : queue.consumed < kItems) {
    if (producer && queue.count < 4) {
      queue.items[queue.count++] = ++queue.produced;
      CHECK_ZERO(queue.produced == kItems ? pthread_cond_broadcast(&queue.not_full)
                                          : pthread_cond_signal(&queue.not_empty));
    } else if (!producer && queue.count > 0) {
      queue.sum += queue.items[--queue.count];
      if (++queue.consumed == kItems) CHECK_ZERO(pthread_cond_broadcast(&queue.not_empty));
      CHECK_ZERO(pthread_cond_signal(&queue.not_full));
    } else {
      CHECK_ZERO(pthread_cond_wait(producer ? &queue.not_full : &queue.not_empty, &queue.lock));
    }
  }
  CHECK_ZERO(pthread_cond_broadcast(&queue.not_empty));
  CHECK_ZERO(pthread_mutex_unlock(&queue.lock));
  return argument;
}

static void condition_variables(void) {
  run_all(produce_or_consume);
  CHECK_EQUAL(queue.consumed, kItems);
  CHECK_EQUAL(queue.sum, kItems * (kItems + 1) / 2);
  CHECK_EQUAL(queue.count, 0);
  struct timespec past = {1, 0};
  CHECK_ZERO(pthread_mutex_lock(&queue.lock));
  CHECK_EQUAL(pthread_cond_timedwait(&queue.not_full, &queue.lock, &past), ETIMEDOUT);
  CHECK_ZERO(pthread_mutex_unlock(&queue.lock));
  say("condition variables: %d items through a queue of four", kItems);
}

static int rounds[kThreads], serial_threads;

static void* walk_in_step(void* argument) {
  long self = (long)argument;
  for (int round = 1; round <= 30; round++) {
    rounds[self] = round;
    int result = pthread_barrier_wait(&barrier);
    CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    if (result != 0) __atomic_add_fetch(&serial_threads, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < kThreads; i++) CHECK_EQUAL(rounds[i], round);
    pthread_barrier_wait(&barrier);
  }
  return argument;
}

static void barriers(void) {
  run_all(walk_in_step);
  CHECK_EQUAL(serial_threads, 30);
  say("barriers");
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t semaphore;
static long pair[2];
static int once_calls, most, inside;

static void call_once(void) {
  sched_yield();
  once_calls++;
}

static void* read_and_write(void* argument) {
  CHECK_ZERO(pthread_once(&once, call_once));
  CHECK_EQUAL(once_calls, 1);
  for (int i = 0; i < 200; i++) {
    if (i % 10 == (long)argument) {
      CHECK_ZERO(pthread_rwlock_wrlock(&rwlock));
      pair[0]++;
      if (i % 3 == 0) sched_yield();
      pair[1]++;
    } else {
      CHECK_ZERO(pthread_rwlock_rdlock(&rwlock));
      CHECK_EQUAL(pair[0], pair[1]);
    }
    CHECK_ZERO(pthread_rwlock_unlock(&rwlock));
  }
  for (int i = 0; i < 20; i++) {
    CHECK(sem_wait(&semaphore) == 0);
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    CHECK(now <= 3);
    __atomic_fetch_or(&most, 1 << now, __ATOMIC_RELAXED);
    sched_yield();
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    CHECK(sem_post(&semaphore) == 0);
  }
  return argument;
}

static void other_locks(void) {
  CHECK(sem_init(&semaphore, 0, 3) == 0);
  run_all(read_and_write);
  CHECK_EQUAL(pair[0], 20 * kThreads);
  int value;
  CHECK(sem_getvalue(&semaphore, &value) == 0);
  CHECK_EQUAL(value, 3);
  say("readers and writers, once, semaphores");
}

static void* lock_and_die(void* argument) {
  CHECK_ZERO(pthread_mutex_lock(argument));
  return NULL;
}

static void robust_mutexes(void) {
  pthread_mutexattr_t attributes;
  CHECK_ZERO(pthread_mutexattr_init(&attributes));
  CHECK_ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
  CHECK_ZERO(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
  pthread_mutex_t* robust = map_shared(kPage);
  CHECK_ZERO(pthread_mutex_init(robust, &attributes));
  result_of(start(lock_and_die, robust));
  CHECK_EQUAL(pthread_mutex_lock(robust), EOWNERDEAD);
  CHECK_ZERO(pthread_mutex_consistent(robust));
  CHECK_ZERO(pthread_mutex_unlock(robust));
  CHECK_ZERO(pthread_mutex_lock(robust));
  CHECK_ZERO(pthread_mutex_unlock(robust));
  // A process that is killed leaves it too, to one that waits for it as well.
  struct Gate locked = make_gate();
  for (int round = 0; round < 2; round++) {
    pid_t pid = checked_fork();
    if (pid == 0) {
      CHECK_ZERO(pthread_mutex_lock(robust));
      open_gate(locked);
      if (round == 1) usleep(2000);
      raise(SIGKILL);
    }
    pass_gate(locked);
    if (round == 0) CHECK_KILLED(pid, SIGKILL);
    CHECK_EQUAL(pthread_mutex_lock(robust), EOWNERDEAD);
    if (round == 1) CHECK_KILLED(pid, SIGKILL);
    if (round == 0) CHECK_ZERO(pthread_mutex_consistent(robust));
    CHECK_ZERO(pthread_mutex_unlock(robust));
  }
  CHECK_EQUAL(pthread_mutex_lock(robust), ENOTRECOVERABLE);
  remove_gate(locked);
  CHECK(munmap(robust, kPage) == 0);
  say("robust mutexes outlive threads and processes");
}

int main(void) {
  CHECK_ZERO(pthread_barrier_init(&barrier, NULL, kThreads));
  mutexes();
  condition_variables();
  barriers();
  other_locks();
  robust_mutexes();
  return 0;
}
