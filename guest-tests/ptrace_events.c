// SPDX-License-Identifier: GPL-2.0-or-later
//
// ptrace(2), what came later: events of fork, clone, exec and exit, threads, PTRACE_SEIZE and group stops,
// tracers that are no parents, and what becomes of tracees without a tracer.
#include <sys/prctl.h>

#include "threads.h"
#include "tracing.h"

enum { kFork = 1, kVfork, kClone, kExec, kVforkDone, kExit };
static int event(int which) { return SIGTRAP | which << 8; }

#define CHECK_EVENT(pid, which) CHECK_STOPS(pid, event(which))

static void set_options(pid_t pid, unsigned options) { CHECK_TRACE(PTRACE_SETOPTIONS, pid, NULL, options); }

static void have_children(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(1);
  CHECK_EXITS(pid, 1);
  pid = vfork();
  if (pid == 0) _exit(2);
  CHECK_EXITS(pid, 2);
  _exit(3);
}

// Lets a new tracee and its parent run on: the child until its end, with its first stop at the start.
static void expect_child(pid_t pid, int start, int status) {
  CHECK_STOPS(pid, start);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(status));
}

static void forks(void) {
  pid_t pid = start_traced(have_children);
  set_options(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
  go_on(pid, 0);
  CHECK_EVENT(pid, kFork);
  pid_t child = (pid_t)message_of(pid);
  siginfo_t info = info_of(pid);
  CHECK_EQUAL(info.si_code, event(kFork));
  CHECK_EQUAL(info.si_pid, pid);
  expect_child(child, SIGSTOP, 1);  // a tracee, although it is no child of ours
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGCHLD);
  go_on(pid, 0);
  CHECK_EVENT(pid, kVfork);
  child = (pid_t)message_of(pid);
  go_on(pid, 0);
  expect_child(child, SIGSTOP, 2);
  CHECK_EVENT(pid, kVforkDone);
  CHECK_EQUAL(message_of(pid), child);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGCHLD);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(3));

  pid = start_traced(have_children);  // without the options children are nobody's
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGCHLD);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGCHLD);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(3));
  say("forks");
}

static void run_again(void) {
  execl("/proc/self/exe", "ptrace_events", "again", NULL);
  _exit(1);
}

static void execs(void) {
  pid_t pid = start_traced(run_again);
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGTRAP);  // a signal
  CHECK_EQUAL(info_of(pid).si_code, SI_USER);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(17));

  pid = start_traced(run_again);
  set_options(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD);
  go_on(pid, 0);
  CHECK_EVENT(pid, kExec);
  CHECK_EQUAL(message_of(pid), pid);
  CHECK_TRACE(PTRACE_SYSCALL, pid, NULL, 0);
  CHECK_STOPS(pid, SIGTRAP | 0x80);  // the way out of execve
  CHECK_EQUAL(registers_of(pid).orig_rax, SYS_execve);
  CHECK_EQUAL(registers_of(pid).rax, 0);
  CHECK_EQUAL(message_of(pid), 2);
  go_on(pid, 0);
  CHECK_EVENT(pid, kExit);
  CHECK_EQUAL(message_of(pid), exited(17));
  CHECK(peek(pid, (void*)(registers_of(pid).rsp & ~7ul)) != 0x123456789);  // its memory is still there
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(17));

  pid = start_traced(run_again);
  set_options(pid, PTRACE_O_TRACEEXIT);
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_EVENT(pid, kExit);
  CHECK_EQUAL(message_of(pid), SIGKILL);
  go_on(pid, 0);
  CHECK_ENDS(pid, SIGKILL);
  say("exec and exit");
}

static void* end_thread(void* unused) {
  syscall(SYS_exit, 5);
  return unused;
}

static void have_thread(void) {
  start(end_thread, NULL);
  for (;;) pause();
}

static void* thread_execs(void* unused) {
  run_again();
  return unused;
}

static void have_execing_thread(void) {
  start(thread_execs, NULL);
  for (;;) pause();
}

static void threads(void) {
  pid_t pid = start_traced(have_thread);
  set_options(pid, PTRACE_O_TRACECLONE);
  go_on(pid, 0);
  CHECK_EVENT(pid, kClone);
  pid_t thread = (pid_t)message_of(pid);
  CHECK(thread != pid);
  CHECK_STOPS(thread, SIGSTOP);
  CHECK_FAILS(waitpid(thread, NULL, __WCLONE | 0x40000), EINVAL);
  CHECK_EQUAL(registers_of(thread).rax, 0);
  go_on(pid, 0);
  go_on(thread, 0);
  CHECK_ENDS(thread, exited(5));  // a thread's end, while the process lives
  CHECK_FAILS(waitpid(thread, NULL, __WALL), ECHILD);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
  kill_traced(pid);

  // A thread that executes becomes the leader; nobody hears of the leader's end.
  pid = start_traced(have_execing_thread);
  set_options(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
  go_on(pid, 0);
  CHECK_EVENT(pid, kClone);
  thread = (pid_t)message_of(pid);
  CHECK_STOPS(thread, SIGSTOP);
  go_on(pid, 0);
  go_on(thread, 0);
  CHECK_EVENT(pid, kExec);
  CHECK_EQUAL(message_of(pid), thread);
  CHECK_FAILS(trace(PTRACE_CONT, thread, NULL, 0), ESRCH);
  go_on(pid, 0);
  CHECK_ENDS(pid, exited(17));
  CHECK_FAILS(waitpid(-1, NULL, __WALL), ECHILD);
  say("threads");
}

static pid_t start_sleeper(void) {
  pid_t pid = checked_fork();
  if (pid == 0)
    for (;;) pause();
  return pid;
}

static void seized(void) {
  pid_t pid = start_sleeper();
  CHECK_FAILS(trace(PTRACE_SEIZE, pid, (void*)1, 0), EIO);
  CHECK_FAILS(trace(PTRACE_SEIZE, pid, NULL, 1u << 30), EIO);
  CHECK_TRACE(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);  // it goes on
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);
  CHECK_TRACE(PTRACE_INTERRUPT, pid, NULL, 0);
  CHECK_STOPS(pid, event(PTRACE_EVENT_STOP));
  CHECK_EQUAL(info_of(pid).si_code, event(PTRACE_EVENT_STOP));
  go_on(pid, 0);

  // Stopped with its process, it stays so with PTRACE_LISTEN until that goes on.
  CHECK(kill(pid, SIGTSTP) == 0);
  CHECK_STOPS(pid, SIGTSTP);
  go_on(pid, SIGSTOP);
  CHECK_STOPS(pid, SIGSTOP | PTRACE_EVENT_STOP << 8);
  CHECK_TRACE(PTRACE_LISTEN, pid, NULL, 0);
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_STOPS(pid, event(PTRACE_EVENT_STOP));
  go_on(pid, 0);
  CHECK_STOPS(pid, SIGCONT);
  CHECK_TRACE(PTRACE_DETACH, pid, NULL, 0);
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_KILLED(pid, SIGKILL);
  say("seizing and listening");
}

static void group_stops(void) {
  pid_t pid = start_sleeper();
  CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
  CHECK_STOPS(pid, SIGSTOP);
  CHECK_EQUAL(info_of(pid).si_signo, SIGSTOP);
  go_on(pid, SIGSTOP);  // now it stops with its process
  CHECK_STOPS(pid, SIGSTOP);
  siginfo_t info;
  CHECK_FAILS(trace(PTRACE_GETSIGINFO, pid, NULL, (uintptr_t)&info), EINVAL);
  go_on(pid, 0);  // and runs nevertheless
  CHECK(kill(pid, SIGUSR1) == 0);
  CHECK_STOPS(pid, SIGUSR1);
  CHECK_TRACE(PTRACE_DETACH, pid, NULL, 0);  // the process has not been continued
  int status;
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  CHECK_EQUAL(status, stopped_with(SIGSTOP));
  CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);  // attached while it is stopped
  CHECK_STOPS(pid, SIGSTOP);
  kill_traced(pid);
  say("group stops");
}

// Somebody else than the parent traces: it hears first.
static void strangers(void) {
  struct Gate attached = make_gate(), told = make_gate(), end = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(end);
    _exit(7);
  }
  pid_t tracer = checked_fork();
  if (tracer == 0) {
    CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
    CHECK_STOPS(pid, SIGSTOP);
    CHECK_TRACE(PTRACE_CONT, pid, NULL, 0);
    open_gate(attached);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) == 0);
    pass_gate(told);
    CHECK_ENDS(pid, exited(7));
    CHECK_FAILS(waitpid(pid, NULL, __WALL), ECHILD);
    _exit(0);
  }
  pass_gate(attached);
  CHECK_FAILS(trace(PTRACE_ATTACH, pid, NULL, 0), EPERM);
  CHECK_FAILS(trace(PTRACE_CONT, pid, NULL, 0), ESRCH);
  open_gate(end);
  usleep(1000);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);  // a zombie that only its tracer sees
  open_gate(told);
  CHECK_EXITS(pid, 7);
  CHECK_EXITS(tracer, 0);
  remove_gate(attached);
  remove_gate(told);
  remove_gate(end);
  say("another tracer");
}

// Starts a process that lets itself be traced by another one, which ends.
static void lost_tracer(unsigned options, bool kills) {
  struct Gate attached = make_gate(), end = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(end);
    _exit(8);
  }
  pid_t tracer = checked_fork();
  if (tracer == 0) {
    CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
    CHECK_STOPS(pid, SIGSTOP);
    set_options(pid, options);
    _exit(0);
  }
  CHECK_EXITS(tracer, 0);
  if (kills) {
    CHECK_KILLED(pid, SIGKILL);
  } else {
    open_gate(end);  // it runs again
    CHECK_EXITS(pid, 8);
  }
  remove_gate(attached);
  remove_gate(end);
}

static void zombie_of_lost_tracer(void) {
  struct Gate end = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(end);
    _exit(9);
  }
  pid_t tracer = checked_fork();
  if (tracer == 0) {
    CHECK_TRACE(PTRACE_ATTACH, pid, NULL, 0);
    CHECK_STOPS(pid, SIGSTOP);
    CHECK_TRACE(PTRACE_CONT, pid, NULL, 0);
    open_gate(end);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) == 0);
    _exit(0);  // without waiting for it
  }
  CHECK_EXITS(pid, 9);
  CHECK_EXITS(tracer, 0);
  remove_gate(end);
}

int main(int argc, char** argv) {
  (void)argv;
  if (argc > 1) return 17;
  forks();
  execs();
  threads();
  seized();
  group_stops();
  strangers();
  lost_tracer(0, false);
  lost_tracer(PTRACE_O_EXITKILL, true);
  zombie_of_lost_tracer();
  say("tracers that end");
  return 0;
}
