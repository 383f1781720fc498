// SPDX-License-Identifier: GPL-2.0-or-later
//
// fork, vfork, the wait family, process groups and sessions, orphans and zombies, and what a child does and
// does not get from its parent.
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

#include "children.h"

enum { kNoSuchProcess = 0x3fffffff };  // above the highest pid that Linux gives

static siginfo_t wait_info(idtype_t type, id_t id, int options) {
  siginfo_t info = {0};
  CHECK_EQUAL(waitid(type, id, &info, options), 0);
  return info;
}

static void exit_statuses(void) {
  static const int statuses[] = {0, 1, 7, 127, 128, 255, 256 + 3, -1};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    pid_t pid = checked_fork();
    if (pid == 0) _exit(statuses[i]);
    siginfo_t info = wait_info(P_PID, (id_t)pid, WEXITED | WNOWAIT);
    CHECK_EQUAL(info.si_signo, SIGCHLD);
    CHECK_EQUAL(info.si_code, CLD_EXITED);
    CHECK_EQUAL(info.si_pid, pid);
    CHECK_EQUAL(info.si_uid, getuid());
    CHECK_EQUAL(info.si_status, statuses[i] & 255);
    CHECK_EXITS(pid, statuses[i] & 255);
    CHECK_FAILS(waitpid(pid, NULL, 0), ECHILD);
  }
  say("exit statuses");
}

static void deaths(void) {
  const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,    SIGTRAP, SIGABRT,      SIGBUS,      SIGFPE,
                        SIGKILL, SIGSEGV, SIGPIPE, SIGALRM,   SIGTERM, SIGUSR1,      SIGUSR2,     SIGXCPU,
                        SIGXFSZ, SIGIO,   SIGSYS,  SIGVTALRM, SIGPROF, SIGRTMIN + 1, SIGRTMAX - 1};
  struct Gate never = make_gate();
  for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
    pid_t pid = checked_fork();
    if (pid == 0) {
      pass_gate(never);
      _exit(77);
    }
    CHECK(kill(pid, deadly[i]) == 0);
    siginfo_t info = wait_info(P_ALL, 0, WEXITED | WNOWAIT);
    CHECK(info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED);
    CHECK_EQUAL(info.si_pid, pid);
    CHECK_EQUAL(info.si_status, deadly[i]);
    CHECK_KILLED(pid, deadly[i]);
  }
  remove_gate(never);

  static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, 0};
  struct Gate done = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(done);
    _exit(5);
  }
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) CHECK(kill(pid, harmless[i]) == 0);
  open_gate(done);
  CHECK_EXITS(pid, 5);
  remove_gate(done);

  pid = checked_fork();
  if (pid == 0) {
    write_byte(NULL, 1);
    _exit(77);
  }
  CHECK_KILLED(pid, SIGSEGV);
  say("deaths by signal");
}

static void waiting(void) {
  struct Gate go = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(go);
    _exit(9);
  }
  int status = 12345;
  CHECK_EQUAL(waitpid(pid, &status, WNOHANG), 0);
  CHECK_EQUAL(waitpid(-1, &status, WNOHANG), 0);
  CHECK_EQUAL(status, 12345);
  siginfo_t info = wait_info(P_PID, (id_t)pid, WEXITED | WNOHANG);
  CHECK_EQUAL(info.si_pid, 0);
  CHECK_EQUAL(info.si_signo, 0);
  CHECK_FAILS(waitpid(pid, NULL, 0x40), EINVAL);
  CHECK_FAILS(waitid(P_PID, (id_t)pid, &info, WNOHANG), EINVAL);
  CHECK_FAILS(waitid((idtype_t)77, (id_t)pid, &info, WEXITED), EINVAL);
  CHECK_FAILS(waitpid(getpid(), NULL, 0), ECHILD);
  CHECK_FAILS(waitpid(kNoSuchProcess, NULL, 0), ECHILD);
  open_gate(go);
  for (int i = 0; i < 2; i++) {
    info = wait_info(P_PID, (id_t)pid, WEXITED | WNOWAIT);
    CHECK_EQUAL(info.si_status, 9);
  }
  // A zombie is still somebody: it can be signalled, and nothing comes of it.
  CHECK(kill(pid, 0) == 0);
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_EQUAL(getpgid(pid), getpgrp());
  CHECK_FAILS((long)syscall(SYS_wait4, pid, nowhere(), WNOHANG, NULL), EFAULT);  // reaped all the same
  CHECK_FAILS(waitpid(pid, NULL, 0), ECHILD);
  CHECK_FAILS(kill(pid, 0), ESRCH);
  CHECK_FAILS(kill(kNoSuchProcess, SIGTERM), ESRCH);
  CHECK_FAILS(kill(getpid(), 65), EINVAL);
  CHECK_FAILS(getpgid(kNoSuchProcess), ESRCH);
  remove_gate(go);
  say("WNOHANG, WNOWAIT and zombies");
}

static void no_children(void) {
  siginfo_t info;
  CHECK_FAILS(wait(NULL), ECHILD);
  CHECK_FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
  CHECK_FAILS(waitpid(0, NULL, 0), ECHILD);
  CHECK_FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  CHECK_FAILS(waitpid(getppid(), NULL, 0), ECHILD);

  // Children that nobody wants to hear of leave no zombie; wait() blocks until the last is gone.
  struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  for (int round = 0; round < 2; round++) {
    if (round == 0) {
      CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    } else {
      CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    }
    int* count = map_shared(kPage);
    for (int i = 0; i < 4; i++) {
      if (checked_fork() == 0) {
        sched_yield();
        __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
        _exit(i);
      }
    }
    CHECK_FAILS(wait(NULL), ECHILD);
    CHECK_EQUAL(*count, 4);
    CHECK(munmap(count, kPage) == 0);
  }
  say("no children, and children that are not waited for");
}

static void stopped(void) {
  struct Gate never = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(never);
    _exit(77);
  }
  int status;
  for (int round = 0; round < 3; round++) {
    CHECK(kill(pid, SIGSTOP) == 0);
    CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK_EQUAL(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);  // told once
    CHECK(kill(pid, SIGCONT) == 0);
    CHECK_EQUAL(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status) && !WIFSTOPPED(status) && !WIFEXITED(status));
    CHECK_EQUAL(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
  }
  CHECK(kill(pid, SIGSTOP) == 0);
  siginfo_t info = wait_info(P_PID, (id_t)pid, WSTOPPED | WNOWAIT);
  CHECK_EQUAL(info.si_code, CLD_STOPPED);
  CHECK_EQUAL(info.si_status, SIGSTOP);
  info = wait_info(P_PID, (id_t)pid, WSTOPPED);
  CHECK_EQUAL(info.si_code, CLD_STOPPED);
  CHECK(kill(pid, SIGTERM) == 0);  // waits until the process goes on
  CHECK_EQUAL(waitpid(pid, &status, WNOHANG), 0);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_KILLED(pid, SIGTERM);

  pid = checked_fork();
  if (pid == 0) {
    raise(SIGSTOP);
    _exit(3);
  }
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  CHECK(kill(pid, SIGKILL) == 0);  // does not wait
  CHECK_KILLED(pid, SIGKILL);
  remove_gate(never);
  say("stopped and continued");
}

static void orphans(void) {
  struct Gate told = make_gate(), ready = make_gate();
  pid_t middle = checked_fork();
  if (middle == 0) {
    pid_t parent = getpid();
    if (checked_fork() == 0) {
      open_gate(ready);
      while (getppid() == parent) usleep(1000);
      CHECK(getppid() > 0);
      open_gate(told);
      _exit(0);
    }
    pass_gate(ready);
    _exit(4);
  }
  CHECK_EXITS(middle, 4);
  pass_gate(told);
  remove_gate(told);
  remove_gate(ready);
  say("an orphan gets another parent");
}

static void groups(void) {
  CHECK(setpgid(0, 0) == 0);  // whatever group we were in
  CHECK_EQUAL(getpgid(0), getpgrp());
  CHECK_FAILS(setpgid(0, -1), EINVAL);
  CHECK_FAILS(setpgid(getppid(), 0), ESRCH);  // neither this process nor a child
  CHECK_FAILS(setpgid(0, kNoSuchProcess), EPERM);
  CHECK_FAILS(kill(-kNoSuchProcess, SIGTERM), ESRCH);
  struct Gate never = make_gate();
  pid_t members[4];
  for (int i = 0; i < 4; i++) {
    members[i] = checked_fork();
    if (members[i] == 0) {
      pass_gate(never);
      _exit(77);
    }
    CHECK(setpgid(members[i], members[0]) == 0);
    CHECK_EQUAL(getpgid(members[i]), members[0]);
  }
  CHECK_EQUAL(waitpid(-members[0], NULL, WNOHANG), 0);
  CHECK_FAILS(waitpid(0, NULL, WNOHANG), ECHILD);  // none in our own group
  CHECK(setpgid(members[3], getpgrp()) == 0);
  CHECK_EQUAL(waitpid(0, NULL, WNOHANG), 0);
  CHECK(kill(-members[0], 0) == 0);
  CHECK(killpg(members[0], SIGUSR1) == 0);
  for (int i = 0; i < 3; i++) {
    int status;
    pid_t ended = waitpid(-members[0], &status, 0);
    CHECK(ended == members[0] || ended == members[1] || ended == members[2]);
    CHECK_EQUAL(status, killed_by(SIGUSR1));
  }
  CHECK_FAILS(killpg(members[0], 0), ESRCH);
  CHECK_EQUAL(waitpid(members[3], NULL, WNOHANG), 0);  // had left in time
  CHECK(kill(members[3], SIGTERM) == 0);
  siginfo_t info = wait_info(P_PGID, (id_t)getpgrp(), WEXITED);
  CHECK_EQUAL(info.si_pid, members[3]);
  remove_gate(never);

  // kill(0, ...) is for one's own group, oneself included.
  pid_t leader = checked_fork();
  if (leader == 0) {
    CHECK(setpgid(0, 0) == 0);
    CHECK_EQUAL(getpgrp(), getpid());
    pid_t child = checked_fork();
    if (child == 0) {
      for (;;) pause();
    }
    kill(0, SIGTERM);
    for (;;) pause();
  }
  CHECK_KILLED(leader, SIGTERM);
  say("process groups");
}

static void sessions(void) {
  pid_t session = getsid(0);
  CHECK(session >= 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK_EQUAL(getsid(0), session);
    CHECK_EQUAL(setsid(), getpid());
    CHECK_EQUAL(getsid(0), getpid());
    CHECK_EQUAL(getpgrp(), getpid());
    CHECK_FAILS(setsid(), EPERM);       // leads a group already
    CHECK_FAILS(setpgid(0, 0), EPERM);  // and the session
    pid_t child = checked_fork();
    if (child == 0) _exit(getsid(0) == getppid() && getpgrp() == getppid() ? 6 : 1);
    CHECK_EXITS(child, 6);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK_FAILS(getsid(kNoSuchProcess), ESRCH);
  say("sessions");
}

static volatile int from_the_child;

// The parent sleeps until the child is gone, and they share the memory.
static void vfork_once(int status) {
  from_the_child = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    for (int n = 0; n < 1000; n++) from_the_child++;
    _exit(status);
  }
  CHECK(pid > 0);
  CHECK_EQUAL(from_the_child, 1000);
  CHECK_EXITS(pid, status);
}

static void vforked(void) {
  for (int status = 1; status <= 10; status++) vfork_once(status);
  say("vfork");
}

static long microseconds(struct timeval time) { return time.tv_sec * 1000000 + time.tv_usec; }

static void usage(void) {
  struct rusage before, after, child;
  struct tms ticks_before, ticks;
  CHECK(getrusage(RUSAGE_CHILDREN, &before) == 0);
  CHECK(times(&ticks_before) != (clock_t)-1);
  pid_t pid = checked_fork();
  if (pid == 0) {
    char* memory = map_anonymous(100 * kPage, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 100; i++) write_byte(memory + i * kPage, 1);
    struct rusage self;
    do CHECK(getrusage(RUSAGE_SELF, &self) == 0);
    while (microseconds(self.ru_utime) + microseconds(self.ru_stime) < 3000);
    _exit(0);
  }
  CHECK_EQUAL(wait4(pid, NULL, 0, &child), pid);
  CHECK(getrusage(RUSAGE_CHILDREN, &after) == 0);
  CHECK(times(&ticks) != (clock_t)-1);
  long used = microseconds(child.ru_utime) + microseconds(child.ru_stime);
  CHECK(used >= 3000 && used < 60000000);
  CHECK(microseconds(after.ru_utime) + microseconds(after.ru_stime) >=
        microseconds(before.ru_utime) + microseconds(before.ru_stime) + 3000);
  CHECK(child.ru_minflt >= 100);
  CHECK(after.ru_minflt >= before.ru_minflt + 100);
  CHECK(ticks.tms_cutime >= ticks_before.tms_cutime && ticks.tms_cstime >= ticks_before.tms_cstime);
  CHECK(ticks.tms_utime >= ticks_before.tms_utime);
  say("times and faults of children are counted");
}

static volatile int handled;
static void count(int signal) { handled += signal == SIGUSR1; }

// What fork copies, shares and leaves behind.
static void inherited(void) {
  CHECK(signal(SIGUSR1, count) != SIG_ERR);
  sigset_t block, old, pending;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
  CHECK(raise(SIGUSR1) == 0);
  alarm(100);
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t parent = getpid(), pid = checked_fork();
  if (pid == 0) {
    CHECK(getpid() != parent && getppid() == parent);
    CHECK_EQUAL(syscall(SYS_gettid), getpid());
    CHECK(sigpending(&pending) == 0);
    CHECK(!sigismember(&pending, SIGUSR1));  // pending signals stay behind
    CHECK_EQUAL(alarm(0), 0);                // alarms too
    CHECK(sigprocmask(SIG_SETMASK, &old, &pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1));  // the mask does not
    CHECK_EQUAL(handled, 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_EQUAL(handled, 1);
    struct rusage self;
    CHECK(getrusage(RUSAGE_CHILDREN, &self) == 0);
    CHECK_EQUAL(microseconds(self.ru_utime) + self.ru_minflt, 0);
    CHECK(close(ends[0]) == 0);  // its own table of descriptors
    CHECK_EQUAL(write(ends[1], "x", 1), 1);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  char byte;
  CHECK_EQUAL(read(ends[0], &byte, 1), 1);
  CHECK(alarm(0) > 0);
  CHECK_EQUAL(handled, 0);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK_EQUAL(handled, 1);
  CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  close(ends[0]), close(ends[1]);
  say("what a child inherits");
}

static void many(void) {
  enum { kAtOnce = 64, kInTurn = 200 };
  struct Gate go = make_gate();
  pid_t pids[kAtOnce];
  for (int i = 0; i < kAtOnce; i++) {
    pids[i] = checked_fork();
    if (pids[i] == 0) {
      pass_gate(go);
      _exit(i);
    }
  }
  for (int i = 0; i < kAtOnce; i++) open_gate(go);
  for (int i = 0; i < kAtOnce; i++) {
    int status;
    pid_t pid = wait(&status);
    CHECK(pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) < kAtOnce);
    CHECK_EQUAL(pids[WEXITSTATUS(status)], pid);
    pids[WEXITSTATUS(status)] = 0;
  }
  CHECK_FAILS(wait(NULL), ECHILD);
  remove_gate(go);
  for (int i = 0; i < kInTurn; i++) {
    pid_t pid = checked_fork();
    if (pid == 0) _exit(i);
    CHECK_EXITS(pid, i);
  }
  say("%d children at once, %d one after the other", kAtOnce, kInTurn);
}

static void count_alarm(int signal) { (void)signal; }

// fork never fails for a signal, whatever the handler's flags say.
static void interrupted(void) {
  enum { kPages = 2000 };
  char* memory = map_anonymous(kPages * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 1, kPages * kPage);
  struct sigaction action = {.sa_handler = count_alarm};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval often = {{0, 300}, {0, 300}}, never = {0};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  for (int i = 0; i < 20; i++) {
    pid_t pid = checked_fork();
    if (pid == 0) _exit(0);
    while (waitpid(pid, NULL, 0) < 0) CHECK_EQUAL(errno, EINTR);
  }
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  CHECK(munmap(memory, kPages * kPage) == 0);
  say("forks between signals");
}

// A signal for a group reaches the child that one of it is just making.
static void killed_while_forking(void) {
  char* memory = map_anonymous(500 * kPage, PROT_READ | PROT_WRITE);
  memset(memory, 1, 500 * kPage);
  alarm(60);  // instead of waiting for one that was missed
  for (int i = 0; i < 10; i++) {
    struct Gate begun = make_gate();
    pid_t pid = checked_fork();
    if (pid == 0) {
      CHECK(setpgid(0, 0) == 0);
      open_gate(begun);
      while (fork() == 0) continue;  // a chain: each has one child
      while (true) pause();
    }
    pass_gate(begun);
    usleep(1000 + 137 * (useconds_t)i);
    CHECK(kill(-pid, SIGTERM) == 0);
    CHECK_EQUAL(waitpid(pid, NULL, 0), pid);
    // The end of the pipe: nobody of them is left.
    char byte;
    CHECK(close(begun.write_end) == 0);
    CHECK_EQUAL(read(begun.read_end, &byte, 1), 0);
    CHECK(close(begun.read_end) == 0);
  }
  alarm(0);
  CHECK(munmap(memory, 500 * kPage) == 0);
  say("killed while forking");
}

int main(void) {
  static void (*const tests[])(void) = {exit_statuses,
                                        deaths,
                                        waiting,
                                        no_children,
                                        stopped,
                                        orphans,
                                        groups,
                                        sessions,
                                        vforked,
                                        usage,
                                        inherited,
                                        interrupted,
                                        killed_while_forking,
                                        many};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) in_child(tests[i]);
  while (wait(NULL) > 0) continue;  // orphans, where we are process 1
  CHECK_EQUAL(errno, ECHILD);
  return 0;
}
