// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waiting for signals, and signals that interrupt waiting: EINTR and SA_RESTART, sigsuspend, sigwaitinfo,
// queued signals and their order, what SIGCHLD tells, and whether a thread or the process is signalled.
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>

#include "futex.h"
#include "threads.h"

static volatile int calls;
static volatile bool releasing;
static volatile int gate_for_handler = -1;
static int futex_word;

// The third call lets what is being waited for happen, where that is wanted.
static void release_at_last(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  if (++calls != 3 || !releasing) return;
  __atomic_store_n(&futex_word, 1, __ATOMIC_SEQ_CST);
  if (gate_for_handler >= 0) CHECK_EQUAL(write(gate_for_handler, "x", 1), 1);
}

// Somebody sends us SIGUSR1 all the time, as long as *poke says so: nobody knows when a call really waits.
static volatile int* poke;

static pid_t start_poker(void) {
  pid_t target = getpid(), pid = checked_fork();
  if (pid != 0) return pid;
  for (;;) {
    if (*poke) kill(target, SIGUSR1);
    usleep(500);
  }
}

enum Call { kRead, kWait, kFutex, kPoll, kSleep, kEpoll, kFutexUntil, kPause, kCalls };

static long call(enum Call which, int input, pid_t child) {
  static const struct timespec minute = {60, 0};
  char byte;
  struct pollfd one = {.fd = input, .events = POLLIN};
  struct epoll_event event = {.events = EPOLLIN};
  long result;
  switch (which) {
    case kRead:
      return read(input, &byte, 1);
    case kWait:
      return waitpid(child, NULL, 0);
    case kFutex:
      return futex(&futex_word, kFutexWait | kFutexPrivate, 0, NULL, NULL, 0);
    case kFutexUntil:
      return futex(&futex_word, kFutexWait | kFutexPrivate, 0, &minute, NULL, 0);
    case kPoll:
      return poll(&one, 1, -1);
    case kSleep:
      return nanosleep(&minute, NULL);
    case kPause:
      return pause();
    default: {
      int set = epoll_create1(0);
      CHECK(epoll_ctl(set, EPOLL_CTL_ADD, input, &event) == 0);
      result = epoll_wait(set, &event, 1, -1);
      int saved = errno;
      CHECK(close(set) == 0);
      errno = saved;
      return result;
    }
  }
}

static void interrupt(enum Call which, bool restart, int pipe_out, int pipe_in) {
  struct Gate hold = make_gate();
  pid_t child = checked_fork();
  if (child == 0) {
    pass_gate(hold);
    _exit(0);
  }
  calls = futex_word = 0;
  releasing = restart && (which == kRead || which == kWait || which == kFutex);  // the others never go on
  gate_for_handler = which == kWait ? hold.write_end : which == kRead ? pipe_in : -1;
  install_handler(SIGUSR1, release_at_last, restart ? SA_RESTART : 0);
  *poke = 1;
  long result = call(which, pipe_out, child);
  int error = errno;
  *poke = 0;
  CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
  if (releasing) {
    if (which == kRead) CHECK_EQUAL(result, 1);
    if (which == kWait) CHECK_EQUAL(result, child);
    if (which == kFutex) CHECK(result == -1 && error == EAGAIN);  // the word has changed
    CHECK(calls >= 3);
  } else {
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(error, EINTR);
    CHECK(calls >= 1);
  }
  if (!(releasing && which == kWait)) {
    open_gate(hold);
    CHECK_EXITS(child, 0);
  }
  remove_gate(hold);
}

static void interrupted(void) {
  poke = map_shared(kPage);
  pid_t poker = start_poker();
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int restart = 0; restart < 2; restart++) {
    for (enum Call which = 0; which < kCalls; which++) interrupt(which, restart, ends[0], ends[1]);
  }
  CHECK(kill(poker, SIGKILL) == 0);
  CHECK_KILLED(poker, SIGKILL);
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  say("signals interrupt what waits, and SA_RESTART goes on with it");
}

static sigset_t set_of(int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  if (second) sigaddset(&set, second);
  return set;
}

static void count(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  calls++;
}

// A mask for as long as one waits.
static void masks_while_waiting(void) {
  install_handler(SIGUSR1, count, 0);
  sigset_t block = set_of(SIGUSR1, 0), none, now;
  sigemptyset(&none);
  CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
  struct timespec zero = {0, 0};
  calls = 0;
  for (int i = 1; i <= 4; i++) {
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQUAL(calls, i - 1);
    if (i == 1) CHECK_FAILS(sigsuspend(&none), EINTR);
    if (i == 2) CHECK_FAILS(ppoll(NULL, 0, NULL, &none), EINTR);
    if (i == 3) CHECK_FAILS(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
    if (i == 4) CHECK_EQUAL(ppoll(NULL, 0, &zero, &block), 0);  // still blocked
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGUSR1));
    CHECK_EQUAL(calls, i < 4 ? i : 3);
  }
  CHECK_FAILS(sigsuspend(&none), EINTR);
  pid_t parent = getpid(), pid = checked_fork();
  if (pid == 0) {
    usleep(1000);
    CHECK(kill(parent, SIGUSR1) == 0);
    _exit(0);
  }
  CHECK_FAILS(sigsuspend(&none), EINTR);
  CHECK_EQUAL(calls, 5);
  CHECK_EXITS(pid, 0);
  CHECK(sigprocmask(SIG_UNBLOCK, &block, NULL) == 0);
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  say("sigsuspend, ppoll and pselect change the mask meanwhile");
}

static volatile int order[16], order_count;
static void note_order(int signal, siginfo_t* info, void* context) {
  (void)context;
  CHECK_EQUAL(info->si_signo, signal);
  order[order_count++] = info->si_value.sival_int;
}

static void queue_some(void) {
  static const struct {
    int signal, value;
  } queued[] = {{2, 30}, {2, 31}, {1, 20}, {0, 10}, {0, 11}, {2, 32}, {1, 21}, {0, 12}};
  const int signals[] = {SIGUSR1, SIGRTMIN + 1, SIGRTMIN + 2};
  for (size_t i = 0; i < sizeof queued / sizeof *queued; i++) {
    union sigval value = {.sival_int = queued[i].value};
    CHECK(sigqueue(getpid(), signals[queued[i].signal], value) == 0);
  }
}

// Lowest number first, those of one number in order; and a standard signal is pending once.
static const int kOrder[] = {10, 20, 21, 30, 31, 32};

static void queues(void) {
  sigset_t block = set_of(SIGUSR1, SIGRTMIN + 1), old;
  sigaddset(&block, SIGRTMIN + 2);
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  queue_some();
  siginfo_t info;
  for (int i = 0; i < 6; i++) {
    int signal = sigwaitinfo(&block, &info);
    CHECK_EQUAL(signal, i == 0 ? SIGUSR1 : i < 3 ? SIGRTMIN + 1 : SIGRTMIN + 2);
    CHECK_EQUAL(info.si_signo, signal);
    CHECK_EQUAL(info.si_code, SI_QUEUE);
    CHECK_EQUAL(info.si_value.sival_int, kOrder[i]);
    CHECK(info.si_pid == getpid() && info.si_uid == getuid());
  }
  struct timespec zero = {0, 0}, soon = {0, 1000000};
  CHECK_FAILS(sigtimedwait(&block, &info, &zero), EAGAIN);
  CHECK_FAILS(sigtimedwait(&block, NULL, &soon), EAGAIN);
  CHECK(raise(SIGUSR1) == 0);
  CHECK_EQUAL(sigtimedwait(&block, &info, &zero), SIGUSR1);
  CHECK(info.si_code == SI_TKILL || info.si_code == SI_USER);  // glibc makes this of that
  CHECK(kill(getpid(), SIGUSR1) == 0);
  int got;
  CHECK_EQUAL(sigwait(&block, &got), 0);
  CHECK_EQUAL(got, SIGUSR1);

  for (int i = 0; i < 3; i++) {
    struct sigaction action = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO, .sa_mask = block};
    CHECK(sigaction(i == 0 ? SIGUSR1 : SIGRTMIN + i, &action, NULL) == 0);
  }
  queue_some();
  CHECK_EQUAL(order_count, 0);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK_EQUAL(order_count, 6);
  for (int i = 0; i < 6; i++) CHECK_EQUAL(order[i], kOrder[i]);
  // To ignore a signal throws away those that wait.
  CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
  queue_some();
  CHECK(signal(SIGRTMIN + 1, SIG_IGN) != SIG_ERR);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK_EQUAL(order_count, 6 + 4);
  CHECK_FAILS(sigqueue(getpid(), 65, (union sigval){.sival_int = 0}), EINVAL);
  CHECK_FAILS(sigqueue(0x3fffffff, SIGUSR1, (union sigval){.sival_int = 0}), ESRCH);
  say("queued signals keep their order and their values");
}

static siginfo_t next_sigchld(void) {
  sigset_t set = set_of(SIGCHLD, 0);
  siginfo_t info;
  int signal;
  do signal = sigwaitinfo(&set, &info);
  while (signal < 0 && errno == EINTR);
  CHECK_EQUAL(signal, SIGCHLD);
  return info;
}

static void expect_sigchld(pid_t pid, int code, int status) {
  siginfo_t info = next_sigchld();
  CHECK_EQUAL(info.si_pid, pid);
  CHECK_EQUAL(info.si_code, code);
  CHECK_EQUAL(info.si_status, status);
  CHECK_EQUAL(info.si_uid, getuid());
}

static void children(void) {
  sigset_t block = set_of(SIGCHLD, 0), pending;
  CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
  pid_t pid = checked_fork();
  if (pid == 0) _exit(42);
  expect_sigchld(pid, CLD_EXITED, 42);
  CHECK_EXITS(pid, 42);
  pid = checked_fork();
  if (pid == 0) {
    for (;;) pause();
  }
  CHECK(kill(pid, SIGSTOP) == 0);
  expect_sigchld(pid, CLD_STOPPED, SIGSTOP);
  CHECK(kill(pid, SIGCONT) == 0);
  expect_sigchld(pid, CLD_CONTINUED, SIGCONT);
  install_handler(SIGCHLD, count, SA_NOCLDSTOP);
  int status;
  CHECK(kill(pid, SIGSTOP) == 0);
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_EQUAL(waitpid(pid, &status, WCONTINUED), pid);
  CHECK(sigpending(&pending) == 0);
  CHECK(!sigismember(&pending, SIGCHLD));
  CHECK(kill(pid, SIGTERM) == 0);
  expect_sigchld(pid, CLD_KILLED, SIGTERM);
  CHECK_KILLED(pid, SIGTERM);
  CHECK(sigprocmask(SIG_UNBLOCK, &block, NULL) == 0);
  CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
  say("SIGCHLD tells who, how and why");
}

// Reaps all that are there, because one signal may stand for several.
static volatile int reaped;
static void reap(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info, (void)context;
  int saved = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
  errno = saved;
}

static void reaping_handler(void) {
  sigset_t block = set_of(SIGCHLD, 0), old;
  install_handler(SIGCHLD, reap, SA_RESTART | SA_NOCLDSTOP);
  for (int i = 0; i < 40; i++) {
    if (checked_fork() == 0) _exit(i);
  }
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  while (reaped < 40) sigsuspend(&old);
  CHECK_FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
  say("a handler reaps 40 children");
}

static void timer(void) {
  sigset_t block = set_of(SIGALRM, 0), old;
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  struct itimerval every = {{0, 1000}, {0, 2000}}, once = {{0, 0}, {0, 1000}}, never = {{0, 0}, {0, 0}}, left;
  const struct timespec zero = {0, 0};
  siginfo_t info;
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  for (int i = 0; i < 5; i++) {
    CHECK_EQUAL(sigwaitinfo(&block, &info), SIGALRM);
    CHECK_EQUAL(info.si_code, SI_KERNEL);
  }
  CHECK(setitimer(ITIMER_REAL, &never, &left) == 0);
  CHECK_EQUAL(left.it_interval.tv_usec, 1000);
  sigtimedwait(&block, NULL, &zero);  // one more may have come meanwhile
  CHECK(setitimer(ITIMER_REAL, &once, &left) == 0);
  CHECK_EQUAL(left.it_interval.tv_usec, 0);
  CHECK_EQUAL(sigwaitinfo(&block, NULL), SIGALRM);
  CHECK(getitimer(ITIMER_REAL, &left) == 0);
  CHECK_EQUAL(left.it_value.tv_sec + left.it_value.tv_usec, 0);
  CHECK_EQUAL(alarm(100), 0);
  CHECK(alarm(0) >= 99);
  CHECK_EQUAL(alarm(0), 0);
  CHECK_FAILS(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 1000000}}, NULL), EINVAL);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  say("interval timers and alarm");
}

static __thread volatile int calls_here;
static pthread_barrier_t step;

static void count_here(int signal) { calls_here += signal == SIGUSR2; }

static bool is_pending(int signal) {
  sigset_t pending;
  CHECK(sigpending(&pending) == 0);
  return sigismember(&pending, signal);
}

static void* other_thread(void* argument) {
  sigset_t first = set_of(SIGUSR1, 0), second = set_of(SIGUSR2, 0);
  pthread_barrier_wait(&step);  // SIGUSR1 was sent to this thread
  CHECK(is_pending(SIGUSR1));
  int signal;
  CHECK_EQUAL(sigwait(&first, &signal), 0);
  CHECK(!is_pending(SIGUSR1));
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);  // SIGUSR1 was sent to the process
  CHECK(is_pending(SIGUSR1));
  CHECK_EQUAL(sigwait(&first, &signal), 0);
  pthread_barrier_wait(&step);
  CHECK_ZERO(pthread_sigmask(SIG_UNBLOCK, &second, NULL));
  pthread_barrier_wait(&step);
  while (calls_here < 1) sched_yield();  // SIGUSR2 to the process: the other thread blocks it
  CHECK_EQUAL(calls_here, 1);
  return argument;
}

static void threads(void) {
  CHECK_ZERO(pthread_barrier_init(&step, NULL, 2));
  CHECK(signal(SIGUSR2, count_here) != SIG_ERR);
  sigset_t both = set_of(SIGUSR1, SIGUSR2);
  CHECK_ZERO(pthread_sigmask(SIG_BLOCK, &both, NULL));
  pthread_t thread = start(other_thread, NULL);  // with the mask of its creator
  CHECK_ZERO(pthread_kill(thread, SIGUSR1));
  CHECK(!is_pending(SIGUSR1));
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  CHECK(is_pending(SIGUSR1));
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  CHECK(!is_pending(SIGUSR1));  // the other one took it
  pthread_barrier_wait(&step);
  CHECK(kill(getpid(), SIGUSR2) == 0);
  result_of(thread);
  CHECK_EQUAL(calls_here, 0);
  CHECK(!is_pending(SIGUSR2));
  CHECK_ZERO(pthread_sigmask(SIG_UNBLOCK, &both, NULL));
  CHECK_FAILS(syscall(SYS_tgkill, getpid(), 0x3fffffff, SIGUSR1), ESRCH);
  CHECK_FAILS(syscall(SYS_tgkill, getppid() + 0x30000000, getpid(), SIGUSR1), ESRCH);
  say("signals for a thread and for the process");
}

int main(void) {
  in_child(interrupted);
  in_child(masks_while_waiting);
  in_child(queues);
  in_child(children);
  in_child(reaping_handler);
  in_child(timer);
  in_child(threads);
  return 0;
}
