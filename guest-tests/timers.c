// SPDX-License-Identifier: GPL-2.0-or-later
//
// Timers that are made: timer_create and its signals, timerfd and its reads. How long anything takes is not
// said; only that nothing comes too early, and what comes instead of what was missed.
#include <poll.h>
#include <sys/uio.h>
#include <time.h>

#include "threads.h"

enum { kMs = 1000000, kCreate = SYS_timerfd_create, kSet = SYS_timerfd_settime, kGet = SYS_timerfd_gettime };

static long now(void) {
  struct timespec time;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return time.tv_sec * 1000l * kMs + time.tv_nsec;
}

static struct itimerspec in_ns(long value, long interval) {
  return (struct itimerspec){{interval / (1000l * kMs), interval % (1000l * kMs)},
                             {value / (1000l * kMs), value % (1000l * kMs)}};
}
static long ns_of(struct timespec time) { return time.tv_sec * 1000l * kMs + time.tv_nsec; }

static void set_fd(int fd, long value, long interval, int flags) {
  struct itimerspec spec = in_ns(value, interval);
  CHECK_EQUAL(syscall(kSet, fd, flags, &spec, NULL), 0);
}

static uint64_t read_ticks(int fd) {
  uint64_t ticks = 0;
  CHECK_EQUAL(read(fd, &ticks, sizeof ticks), 8);
  return ticks;
}

static void descriptors(void) {
  CHECK_FAILS(syscall(kCreate, 99, 0), EINVAL);
  CHECK_FAILS(syscall(kCreate, CLOCK_MONOTONIC, 1), EINVAL);
  int fd = (int)syscall(kCreate, CLOCK_MONOTONIC, O_NONBLOCK | O_CLOEXEC);
  CHECK(fd >= 0);
  uint64_t ticks;
  CHECK_FAILS(read(fd, &ticks, 8), EAGAIN);
  CHECK_FAILS(read(fd, &ticks, 7), EINVAL);
  CHECK_FAILS(readv(fd, (struct iovec[]){{&ticks, 4}, {(char*)&ticks + 4, 4}}, 2), EAGAIN);
  CHECK_FAILS(pread(fd, &ticks, 8, 0), ESPIPE);
  CHECK_EQUAL(lseek(fd, 100, SEEK_END), 0);
  struct itimerspec old = in_ns(5, 5), bad = in_ns(1, 0);
  CHECK_EQUAL(syscall(kGet, fd, &old), 0);
  CHECK(ns_of(old.it_value) == 0 && ns_of(old.it_interval) == 0);
  bad.it_value.tv_nsec = 1000 * kMs;
  CHECK_FAILS(syscall(kSet, fd, 0, &bad, NULL), EINVAL);
  CHECK_FAILS(syscall(kSet, fd, 8, &old, NULL), EINVAL);
  CHECK_FAILS(syscall(kSet, fd, 0, NULL, NULL), EFAULT);
  CHECK_FAILS(syscall(kSet, 0, 0, &old, NULL), EINVAL);
  CHECK_FAILS(syscall(kGet, 99, &old), EBADF);

  struct itimerspec spec = in_ns(3600000l * kMs, 7 * kMs);
  CHECK_EQUAL(syscall(kSet, fd, 0, &spec, &old), 0);
  CHECK_EQUAL(ns_of(old.it_value), 0);
  spec = in_ns(0, 0);
  CHECK_EQUAL(syscall(kSet, fd, 0, &spec, &old), 0);
  CHECK(ns_of(old.it_value) > 3000000l * kMs && ns_of(old.it_value) <= 3600000l * kMs);
  CHECK_EQUAL(ns_of(old.it_interval), 7 * kMs);
  CHECK(fcntl(fd, F_SETFL, 0) == 0);

  long start = now();
  set_fd(fd, 3 * kMs, 0, 0);
  CHECK_EQUAL(read_ticks(fd), 1);  // waits
  CHECK(now() >= start + 3 * kMs);
  start = now();
  set_fd(fd, start + 3 * kMs, 2 * kMs, 1);  // at a time, and again
  CHECK(read_ticks(fd) >= 1);
  CHECK(now() >= start + 3 * kMs);
  usleep(10000);
  CHECK(read_ticks(fd) >= 3);  // all that was missed
  struct pollfd entry = {fd, POLLIN, 0};
  CHECK_EQUAL(poll(&entry, 1, -1), 1);
  CHECK_EQUAL(entry.revents, POLLIN);
  set_fd(fd, 0, 0, 0);  // and what was not read is gone
  CHECK_EQUAL(poll(&entry, 1, 0), 0);
  set_fd(fd, 1, 0, 1);  // long ago
  CHECK_EQUAL(read_ticks(fd), 1);
  CHECK(close(fd) == 0);

  fd = (int)syscall(kCreate, CLOCK_REALTIME, 0);
  struct timespec wall;
  CHECK(clock_gettime(CLOCK_REALTIME, &wall) == 0);
  set_fd(fd, ns_of(wall) + 2 * kMs, 0, 1);
  CHECK_EQUAL(read_ticks(fd), 1);
  CHECK(close(fd) == 0);
  say("descriptors");
}

static volatile sig_atomic_t count, overruns, last_value, last_code;
static void count_signal(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  count++;
  overruns += info->si_overrun;
  last_value = info->si_value.sival_int;
  last_code = info->si_code;
}

static void set_timer(timer_t timer, long value, long interval) {
  struct itimerspec spec = in_ns(value, interval);
  CHECK(timer_settime(timer, 0, &spec, NULL) == 0);
}

static void signals(void) {
  install_handler(SIGUSR1, count_signal, 0);
  sigset_t usr1, none;
  sigemptyset(&none);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
  struct sigevent event = {
      .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711};
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  long start = now();
  set_timer(timer, 2 * kMs, 0);
  while (count == 0) sigsuspend(&none);
  CHECK(now() >= start + 2 * kMs);
  CHECK(last_value == 4711 && last_code == SI_TIMER);
  CHECK_EQUAL(timer_getoverrun(timer), 0);

  set_timer(timer, 1 * kMs, 1 * kMs);
  usleep(12000);  // it waits, blocked, and counts
  count = overruns = 0;
  while (count == 0) sigsuspend(&none);
  CHECK(overruns >= 8);
  CHECK_EQUAL(timer_getoverrun(timer), overruns);
  while (count < 4) sigsuspend(&none);  // and it goes on
  struct itimerspec left;
  CHECK(timer_gettime(timer, &left) == 0);
  CHECK(ns_of(left.it_interval) == kMs && ns_of(left.it_value) <= kMs && ns_of(left.it_value) > 0);
  set_timer(timer, 0, 0);
  CHECK(timer_gettime(timer, &left) == 0);
  CHECK(ns_of(left.it_value) == 0);

  siginfo_t info;
  struct timespec zero = {0, 0};
  while (sigtimedwait(&usr1, &info, &zero) > 0) {
  }
  set_timer(timer, 1 * kMs, 0);
  CHECK_EQUAL(sigwaitinfo(&usr1, &info), SIGUSR1);
  CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 4711);

  signal(SIGUSR1, SIG_IGN);  // nobody hears, and nothing else happens
  CHECK(sigprocmask(SIG_UNBLOCK, &usr1, NULL) == 0);
  set_timer(timer, 100000, 100000);
  usleep(3000);
  set_timer(timer, 0, 0);
  install_handler(SIGUSR1, count_signal, 0);
  set_timer(timer, 1000000l * kMs, 0);
  CHECK(timer_delete(timer) == 0);
  say("signals");
}

static void errors(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65};
  CHECK_FAILS(timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
  event = (struct sigevent){.sigev_notify = 77, .sigev_signo = SIGUSR1};
  CHECK_FAILS(timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
  CHECK_FAILS(timer_create((clockid_t)77, NULL, &timer), EINVAL);
  CHECK_FAILS(timer_create(CLOCK_MONOTONIC_RAW, NULL, &timer), EOPNOTSUPP);
  CHECK_FAILS(syscall(kCreate, CLOCK_MONOTONIC_RAW, 0), EINVAL);
  int id;
  CHECK_EQUAL(raw_syscall(SYS_timer_create, CLOCK_MONOTONIC, 0, 8, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(raw_syscall(SYS_timer_create, CLOCK_MONOTONIC, 0, (long)&id, 0, 0, 0), 0);  // SIGALRM
  struct itimerspec spec = in_ns(1 * kMs, 0);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  CHECK(sigprocmask(SIG_BLOCK, &alarm, NULL) == 0);
  CHECK_EQUAL(raw_syscall(SYS_timer_settime, id, 0, (long)&spec, 0, 0, 0), 0);
  siginfo_t info;
  CHECK_EQUAL(sigwaitinfo(&alarm, &info), SIGALRM);
  CHECK_EQUAL(info.si_value.sival_int, id);
  CHECK_EQUAL(raw_syscall(SYS_timer_settime, id, 0, 0, 0, 0, 0), -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_timer_settime, id, 0, 8, 0, 0, 0), -EFAULT);
  spec.it_value.tv_nsec = -1;
  CHECK_EQUAL(raw_syscall(SYS_timer_settime, id, 0, (long)&spec, 0, 0, 0), -EINVAL);
  pid_t pid = checked_fork();
  if (pid == 0) _exit(raw_syscall(SYS_timer_delete, id, 0, 0, 0, 0, 0) == -EINVAL ? 0 : 1);  // not inherited
  CHECK_EXITS(pid, 0);
  CHECK_EQUAL(raw_syscall(SYS_timer_delete, id, 0, 0, 0, 0, 0), 0);
  CHECK_EQUAL(raw_syscall(SYS_timer_delete, id, 0, 0, 0, 0, 0), -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_timer_gettime, id, (long)&spec, 0, 0, 0, 0), -EINVAL);
  CHECK_EQUAL(raw_syscall(SYS_timer_getoverrun, id, 0, 0, 0, 0, 0), -EINVAL);
  say("errors");
}

static struct Gate called;
static void be_called(union sigval value) {
  CHECK_EQUAL(value.sival_int, 99);
  open_gate(called);
}

// The C library has a thread for these.
static void threads(void) {
  called = make_gate();
  struct sigevent event = {
      .sigev_notify = SIGEV_THREAD, .sigev_notify_function = be_called, .sigev_value.sival_int = 99};
  timer_t timer;
  CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
  set_timer(timer, 1 * kMs, 1 * kMs);
  for (int i = 0; i < 3; i++) pass_gate(called);
  CHECK(timer_delete(timer) == 0);
  say("threads");
}

int main(void) {
  descriptors();
  signals();
  errors();
  threads();
  return 0;
}
