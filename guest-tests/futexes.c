// SPDX-License-Identifier: GPL-2.0-or-later
//
// The futex system call itself: waiting and waking, counts, bit sets, requeueing, time-outs, errors; words in
// private, shared and file-backed memory.
//
// How many wait is not to be seen from outside, so wakers repeat themselves until as many as they want have
// woken.
#include <sched.h>

#include "futex.h"
#include "threads.h"

enum { kWaiters = 6 };

static int word, other_word;
static const int kLocal = kFutexPrivate;

static long wait_on(void* address, int flags, uint32_t value) {
  return futex(address, kFutexWait | flags, value, NULL, NULL, 0);
}

static long wake(void* address, int flags, int count) {
  return futex(address, kFutexWake | flags, (uint32_t)count, NULL, NULL, 0);
}

static const void* count_argument(int count) { return (const void*)(long)count; }

// Wakes `count` in all, however late they come; never more.
static void wake_in_all(void* address, int flags, int count) {
  while (count > 0) {
    long woken = wake(address, flags, count);
    CHECK(woken >= 0 && woken <= count);
    count -= (int)woken;
    if (woken == 0) sched_yield();
  }
}

static void errors(void) {
  static const struct timespec odd = {0, 1000000000}, negative = {-1, 0};
  char* memory = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
  CHECK(munmap(memory + kPage, kPage) == 0);
  word = 5;
  for (int flags = 0; flags <= kLocal; flags += kLocal) {
    CHECK_FAILS(wait_on(&word, flags, 4), EAGAIN);
    CHECK_FAILS(wait_on((char*)&word + 1, flags, 5), EINVAL);
    CHECK_FAILS(wake((char*)&word + 2, flags, 1), EINVAL);
    CHECK_FAILS(wait_on(memory + kPage, flags, 0), EFAULT);
    CHECK_FAILS(wait_on((void*)0x800000000000, flags, 0), EFAULT);
    CHECK_FAILS(futex(&word, kFutexWait | flags, 5, &odd, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&word, kFutexWait | flags, 5, &negative, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&word, kFutexWait | flags, 5, nowhere(), NULL, 0), EFAULT);
    CHECK_FAILS(futex(&word, kFutexWaitBitset | flags, 5, NULL, NULL, 0), EINVAL);  // for nobody
    CHECK_FAILS(futex(&word, kFutexWakeBitset | flags, 1, NULL, NULL, 0), EINVAL);
    CHECK_FAILS(futex(&word, kFutexCmpRequeue | flags, 1, count_argument(1), &other_word, 4), EAGAIN);
    CHECK_FAILS(futex(&word, kFutexRequeue | flags, (uint32_t)-1, count_argument(1), &other_word, 0), EINVAL);
    CHECK_FAILS(futex(&word, kFutexRequeue | flags, 1, count_argument(-1), &other_word, 0), EINVAL);
    CHECK_FAILS(futex(&word, kFutexRequeue | flags, 1, count_argument(1), (char*)&other_word + 1, 0), EINVAL);
    CHECK_EQUAL(wake(&word, flags, 10), 0);
    CHECK_EQUAL(futex(&word, kFutexRequeue | flags, 1, count_argument(10), &other_word, 0), 0);
    CHECK_EQUAL(wait_on(memory, flags, 1), -1);  // a page that was never touched holds zeros
    CHECK_EQUAL(errno, EAGAIN);
  }
  CHECK_EQUAL(wake(memory + kPage, kLocal, 1), 0);  // private: nobody looks at the page
  CHECK_FAILS(wake(memory + kPage, 0, 1), EFAULT);  // shared: somebody must
  // A shared word is found by its page, which must be there: private memory must be writable for that.
  uint32_t* shared = mmap(NULL, kPage, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK_FAILS(wait_on(shared, 0, 1), EAGAIN);
  CHECK_EQUAL(wake(shared, 0, 1), 0);
  CHECK(mprotect(shared, kPage, PROT_NONE) == 0 && mprotect(memory, kPage, PROT_READ) == 0);
  CHECK_FAILS(wake(shared, 0, 1), EFAULT);
  CHECK_EQUAL(wake(shared, kLocal, 1), 0);
  char* fresh = map_anonymous(kPage, PROT_READ);
  char* const unwritable[] = {memory, fresh};
  for (int i = 0; i < 2; i++) {
    CHECK_FAILS(wait_on(unwritable[i], 0, 1), EFAULT);
    CHECK_FAILS(wake(unwritable[i], 0, 1), EFAULT);
    CHECK_FAILS(futex(&word, kFutexRequeue, 1, count_argument(1), unwritable[i], 0), EFAULT);
    CHECK_FAILS(wait_on(unwritable[i], kLocal, 1), EAGAIN);
    CHECK_EQUAL(wake(unwritable[i], kLocal, 1), 0);
  }
  CHECK(munmap(shared, kPage) == 0 && munmap(fresh, kPage) == 0);
  CHECK_FAILS(futex(&word, 77, 0, NULL, NULL, 0), ENOSYS);
  CHECK_FAILS(futex(&word, kFutexWake | kFutexRealtime, 1, NULL, NULL, 0), ENOSYS);
  CHECK(mprotect(memory, kPage, PROT_NONE) == 0);
  CHECK_FAILS(wait_on(memory, kLocal, 0), EFAULT);
  CHECK(munmap(memory, kPage) == 0);
  say("errors");
}

static void timeouts(void) {
  const struct timespec zero = {0, 0}, millisecond = {0, 1000000}, long_ago = {1, 0};
  struct timespec before, after, until;
  word = 5;
  CHECK_FAILS(futex(&word, kFutexWait | kLocal, 5, &zero, NULL, 0), ETIMEDOUT);
  CHECK_FAILS(futex(&word, kFutexWait, 5, &millisecond, NULL, 0), ETIMEDOUT);
  CHECK_FAILS(futex(&word, kFutexWaitBitset, 5, &long_ago, NULL, 1), ETIMEDOUT);
  for (int realtime = 0; realtime < 2; realtime++) {  // WAIT_BITSET takes a point in time
    clockid_t clock = realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    CHECK(clock_gettime(clock, &before) == 0);
    until = before;
    until.tv_nsec += 2000000;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    CHECK_FAILS(futex(&word, kFutexWaitBitset | (realtime ? kFutexRealtime : 0), 5, &until, NULL, 1),
                ETIMEDOUT);
    CHECK(clock_gettime(clock, &after) == 0);
    CHECK(after.tv_sec > until.tv_sec || (after.tv_sec == until.tv_sec && after.tv_nsec >= until.tv_nsec));
  }
  say("time-outs, relative and absolute");
}

static int woken, returned[kWaiters];

// Waits once; a signal or a value that has changed is not meant to happen here.
static void* wait_once(void* argument) {
  CHECK_EQUAL(wait_on(&word, kLocal, 0), 0);
  __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
  return argument;
}

static void wake_counts(void) {
  pthread_t threads[kWaiters];
  word = woken = 0;
  for (long i = 0; i < kWaiters; i++) threads[i] = start(wait_once, (void*)i);
  wake_in_all(&word, kLocal, 1);
  wake_in_all(&word, kLocal, 2);
  wake_in_all(&word, kLocal, kWaiters - 3);
  for (int i = 0; i < kWaiters; i++) result_of(threads[i]);
  CHECK_EQUAL(woken, kWaiters);
  CHECK_EQUAL(wake(&word, kLocal, 100), 0);
  say("%d waiters, woken one by one and several at once", kWaiters);
}

// Each waits with a bit of its own, and is woken by that bit alone, in the order we like.
static void* wait_for_bit(void* argument) {
  long self = (long)argument;
  CHECK_EQUAL(futex(&word, kFutexWaitBitset | kLocal, 0, NULL, NULL, 1u << self), 0);
  __atomic_store_n(&returned[self], 1, __ATOMIC_SEQ_CST);
  return argument;
}

static void bit_sets(void) {
  pthread_t threads[kWaiters];
  word = 0;
  for (long i = 0; i < kWaiters; i++) threads[i] = start(wait_for_bit, (void*)i);
  for (int i = kWaiters - 1; i >= 0; i--) {
    CHECK_EQUAL(futex(&word, kFutexWakeBitset | kLocal, 100, NULL, NULL, 1u << 20), 0);  // nobody's bit
    long count;
    while ((count = futex(&word, kFutexWakeBitset | kLocal, 100, NULL, NULL, 1u << i)) == 0) sched_yield();
    CHECK_EQUAL(count, 1);
    result_of(threads[i]);
    for (int n = 0; n < kWaiters; n++) CHECK_EQUAL(returned[n], n >= i);
  }
  say("bit sets");
}

// Who is moved to the other word sleeps on, and is woken there.
static void requeueing(void) {
  for (int compare = 0; compare < 2; compare++) {
    pthread_t threads[kWaiters];
    word = woken = 0;
    other_word = 1;
    for (long i = 0; i < kWaiters; i++) threads[i] = start(wait_once, (void*)i);
    int operation = (compare ? kFutexCmpRequeue : kFutexRequeue) | kLocal;
    // Requeueing none wakes none: that they all are there shows when all have been moved over.
    for (int at_second = 0; at_second < kWaiters;) {
      long moved = futex(&word, operation, 0, count_argument(kWaiters), &other_word, 0);
      CHECK(moved >= 0 && moved <= kWaiters - at_second);
      at_second += (int)moved;
      if (moved == 0) sched_yield();
    }
    CHECK_EQUAL(woken, 0);
    CHECK_EQUAL(wake(&word, kLocal, 100), 0);
    CHECK_EQUAL(wake(&other_word, kLocal, 2), 2);
    // Back again: one woken, the rest moved, both counted by CMP_REQUEUE.
    long count = futex(&other_word, operation, 1, count_argument(2), &word, 1);
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(wake(&word, kLocal, 100), 2);
    CHECK_EQUAL(wake(&other_word, kLocal, 100), kWaiters - 5);
    for (int i = 0; i < kWaiters; i++) result_of(threads[i]);
    CHECK_EQUAL(woken, kWaiters);
  }
  say("waiters are moved from one word to another");
}

// Adds to the second word, and wakes waiters there when its old value was as said.
static void wake_operation(void) {
  enum { kAdd = 1, kEqual = 0 };
  const uint32_t add_one_if_it_was_7 = kAdd << 28 | kEqual << 24 | 1 << 12 | 7;
  other_word = 6;
  CHECK_EQUAL(futex(&word, kFutexWakeOp | kLocal, 1, count_argument(1), &other_word, add_one_if_it_was_7), 0);
  CHECK_EQUAL(other_word, 7);
  // The operand has twelve bits, with a sign.
  const uint32_t subtract_one = (uint32_t)kAdd << 28 | kEqual << 24 | 0xfffu << 12;
  CHECK_EQUAL(futex(&word, kFutexWakeOp | kLocal, 1, count_argument(1), &other_word, subtract_one), 0);
  CHECK_EQUAL(other_word, 6);
  word = woken = 0;
  pthread_t thread = start(wait_once, NULL);
  long count;
  while ((count = futex(&other_word, kFutexWakeOp | kLocal, 0, count_argument(1), &word,
                        (uint32_t)kAdd << 28 | kEqual << 24 | 0 << 12 | 0)) == 0)
    sched_yield();
  CHECK_EQUAL(count, 1);
  result_of(thread);
  CHECK_FAILS(futex(&word, kFutexWakeOp | kLocal, 1, count_argument(1), nowhere(), add_one_if_it_was_7),
              EFAULT);
  say("WAKE_OP");
}

// Ping and pong over a word in memory that both share; each has it at an address of its own.
static void between(int* ours, int* theirs, int flags) {
  enum { kRounds = 100 };
  pid_t pid = checked_fork();
  int* mine = pid == 0 ? theirs : ours;
  for (int turn = pid == 0 ? 1 : 0; turn < 2 * kRounds; turn += 2) {
    int seen;
    while ((seen = __atomic_load_n(mine, __ATOMIC_SEQ_CST)) != turn)
      CHECK(wait_on(mine, flags, (uint32_t)seen) == 0 || errno == EAGAIN);
    __atomic_store_n(mine, turn + 1, __ATOMIC_SEQ_CST);
    CHECK(wake(mine, flags, 1) >= 0);
  }
  if (pid == 0) _exit(0);
  CHECK_EXITS(pid, 0);
  CHECK_EQUAL(*ours, 2 * kRounds);
}

static void between_processes(void) {
  int* anonymous = map_shared(kPage);
  between(anonymous + 3, anonymous + 3, 0);
  say("between processes: shared anonymous memory");

  int fd = memfd_create("futex", 0);
  CHECK(ftruncate(fd, 2 * kPage) == 0);
  int* one = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int* two = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, kPage);
  CHECK(one != MAP_FAILED && two != MAP_FAILED);
  between(one + kPage / 4 + 9, two + 9, 0);
  CHECK(close(fd) == 0);
  say("between processes: a memfd, mapped twice");
  CHECK(munmap(one, 2 * kPage) == 0 && munmap(two, kPage) == 0 && munmap(anonymous, kPage) == 0);
}

// Copied memory is another word, even at the same address: nobody is woken across a fork, until memory is
// shared.
static void apart(void) {
  static int mine;
  int* shared = map_shared(kPage);
  struct Gate ready = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    const struct timespec time = {0, 20000000};
    open_gate(ready);
    CHECK_FAILS(futex(&mine, kFutexWait, 0, &time, NULL, 0), ETIMEDOUT);
    open_gate(ready);
    CHECK_EQUAL(wait_on(shared, 0, 0), 0);
    _exit(0);
  }
  pass_gate(ready);
  for (int i = 0; i < 20; i++) {
    CHECK_EQUAL(wake(&mine, 0, 100), 0);
    usleep(500);
  }
  pass_gate(ready);
  for (int i = 0; i < 10; i++) {
    CHECK_EQUAL(wake(shared, kLocal, 100), 0);  // a private wake is for this process alone
    usleep(500);
  }
  wake_in_all(shared, 0, 1);
  CHECK_EXITS(pid, 0);
  remove_gate(ready);
  CHECK(munmap(shared, kPage) == 0);
  say("private memory and private futexes stay apart");
}

// A lock of three states, as libraries have them, under contention by threads and by processes.
static void lock(int* state, int flags) {
  int seen = 0;
  if (__atomic_compare_exchange_n(state, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(state, 2, __ATOMIC_ACQUIRE) != 0) wait_on(state, flags, 2);
}

static void unlock(int* state, int flags) {
  if (__atomic_exchange_n(state, 0, __ATOMIC_RELEASE) == 2) CHECK(wake(state, flags, 1) >= 0);
}

static struct Locked {
  int state;
  volatile long count;
} local;

static void count_under(struct Locked* locked, int flags) {
  for (int i = 0; i < 500; i++) {
    lock(&locked->state, flags);
    long seen = locked->count;
    if (i % 16 == 0) sched_yield();  // while the others want it
    locked->count = seen + 1;
    unlock(&locked->state, flags);
  }
}

static void* count_locally(void* argument) {
  count_under(&local, kLocal);
  return argument;
}

static void locks(void) {
  run_all(count_locally);
  CHECK_EQUAL(local.count, 500 * kThreads);
  struct Locked* shared = map_shared(kPage);
  pid_t pids[4];
  for (int i = 0; i < 4; i++) {
    pids[i] = checked_fork();
    if (pids[i] == 0) {
      count_under(shared, 0);
      _exit(0);
    }
  }
  for (int i = 0; i < 4; i++) CHECK_EXITS(pids[i], 0);
  CHECK_EQUAL(shared->count, 500 * 4);
  say("locks made of futexes");
}

int main(void) {
  errors();
  timeouts();
  wake_counts();
  bit_sets();
  requeueing();
  wake_operation();
  between_processes();
  apart();
  locks();
  return 0;
}
