// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sessions and their terminal: who has it, which group is in the foreground, what becomes of the others that
// read, set or change it, ^C ^\ ^Z, and what is left when the leader ends.
//
// In the emulator the terminal is the console, and what is typed comes from standard input. On Linux it is a
// pseudo terminal, and this program types on its other side what it reads from standard input.
#include <sys/ioctl.h>
#include <termios.h>

#include "children.h"

static int master = -1;  // on Linux
static int terminal;

static void open_terminal(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) {
    terminal = open("/dev/console", O_RDWR | O_NOCTTY);
  } else {
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  }
  CHECK(terminal >= 0);
  struct termios settings;
  CHECK(tcgetattr(terminal, &settings) == 0);
  settings.c_lflag = ICANON | ISIG | IEXTEN;
  settings.c_cc[VINTR] = 3;
  settings.c_cc[VQUIT] = 28;
  settings.c_cc[VSUSP] = 26;
  CHECK(tcsetattr(terminal, TCSANOW, &settings) == 0);
}

// Types up to the next byte `last` of standard input.
static void type(char last) {
  if (master < 0) return;
  char byte;
  do {
    CHECK_EQUAL(read(0, &byte, 1), 1);
    CHECK_EQUAL(write(master, &byte, 1), 1);
  } while (byte != last);
}

static int status_of(pid_t pid) {
  int status;
  CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
  return status;
}
#define CHECK_STOPPED(pid, signal) CHECK_EQUAL(status_of(pid), (signal) << 8 | 0x7f)

static int take(int steal) { return ioctl(terminal, TIOCSCTTY, steal); }

static void owners(void) {
  CHECK_FAILS(tcgetpgrp(terminal), ENOTTY);  // a new session has none
  CHECK_FAILS(tcgetsid(terminal), ENOTTY);
  CHECK_FAILS(tcsetpgrp(terminal, getpgrp()), ENOTTY);
  CHECK_FAILS(ioctl(terminal, TIOCNOTTY), ENOTTY);
  CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK_FAILS(take(1), EPERM);  // only a leader may
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK(take(1) == 0);
  CHECK(take(0) == 0);  // once more changes nothing
  CHECK_EQUAL(tcgetpgrp(terminal), getpid());
  CHECK_EQUAL(tcgetsid(terminal), getpid());
  int tty = open("/dev/tty", O_RDWR);
  CHECK(tty >= 0);
  CHECK_EQUAL(tcgetpgrp(tty), getpid());
  CHECK(close(tty) == 0);
  pid = checked_fork();
  if (pid == 0) {
    CHECK_EQUAL(tcgetpgrp(terminal), getppid());
    CHECK(setsid() == getpid());
    CHECK_FAILS(tcgetpgrp(terminal), ENOTTY);
    CHECK_FAILS(take(0), EPERM);  // somebody else's
    CHECK_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  pid = checked_fork();
  if (pid == 0) {
    CHECK(ioctl(terminal, TIOCNOTTY) == 0);  // gives up its own
    CHECK_FAILS(tcgetpgrp(terminal), ENOTTY);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK_EQUAL(tcgetpgrp(terminal), getpid());
  say("owners");
}

static pid_t start_job(void (*body)(void)) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    setpgid(0, 0);
    body();
    _exit(0);
  }
  setpgid(pid, pid);
  return pid;
}

static void wait_forever(void) {
  for (;;) pause();
}

static void end_job(pid_t pid) {
  CHECK(kill(pid, SIGKILL) == 0);
  CHECK_KILLED(pid, SIGKILL);
}

static void foreground(void) {
  CHECK_FAILS(tcsetpgrp(terminal, -1), EINVAL);
  CHECK_FAILS(tcsetpgrp(terminal, 0x3fffffff), ESRCH);
  struct Gate there = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    setsid();
    open_gate(there);
    wait_forever();
  }
  pass_gate(there);
  CHECK_FAILS(tcsetpgrp(terminal, pid), EPERM);  // another session's
  end_job(pid);
  remove_gate(there);
  CHECK_FAILS(ioctl(terminal, TIOCSPGRP, 8), EFAULT);
  pid = start_job(wait_forever);
  CHECK(tcsetpgrp(terminal, pid) == 0);
  CHECK_EQUAL(tcgetpgrp(terminal), pid);
  signal(SIGTTOU, SIG_IGN);
  CHECK(tcsetpgrp(terminal, getpgrp()) == 0);  // from the background, deaf
  signal(SIGTTOU, SIG_DFL);
  end_job(pid);
  say("foreground");
}

static void come_forward(void) {
  CHECK(tcsetpgrp(terminal, getpgrp()) == 0);
  CHECK_EQUAL(tcgetpgrp(terminal), getpgrp());
}

static void change_settings(void) {
  struct termios settings;
  CHECK(tcgetattr(terminal, &settings) == 0);  // asking is free
  CHECK(tcsetattr(terminal, TCSANOW, &settings) == 0);
}

static void read_line(void) {
  char line[100] = "";
  ssize_t got = read(terminal, line, sizeof line);
  CHECK(got > 0);
  line[got - 1] = 0;
  say("read: %s", line);
}

static void read_deaf(void) {
  char byte;
  signal(SIGTTIN, SIG_IGN);
  CHECK_FAILS(read(terminal, &byte, 1), EIO);
  signal(SIGTTIN, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTTIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  CHECK_FAILS(read(terminal, &byte, 1), EIO);
}

// Stops with `signal`; in the foreground its call goes on.
static void stops_and_goes_on(void (*body)(void), int number) {
  pid_t pid = start_job(body);
  CHECK_STOPPED(pid, number);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_STOPPED(pid, number);  // nothing has changed
  CHECK(tcsetpgrp(terminal, pid) == 0);
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_EXITS(pid, 0);
  signal(SIGTTOU, SIG_IGN);
  CHECK(tcsetpgrp(terminal, getpgrp()) == 0);
  signal(SIGTTOU, SIG_DFL);
}

static void background(void) {
  stops_and_goes_on(come_forward, SIGTTOU);
  stops_and_goes_on(change_settings, SIGTTOU);
  type('\n');
  stops_and_goes_on(read_line, SIGTTIN);
  pid_t pid = start_job(read_deaf);
  CHECK_EXITS(pid, 0);
  say("background");
}

static volatile sig_atomic_t caught_signals[65];
static void count_signal(int signal) { caught_signals[signal]++; }

// Takes SIGINT and SIGQUIT whenever they come, and is stopped by SIGTSTP; what was typed before each of them
// is dropped.
static void be_interrupted(void) {
  struct sigaction action = {.sa_handler = count_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGQUIT, &action, NULL);
  sigset_t none;
  sigemptyset(&none);
  while (caught_signals[SIGINT] == 0 || caught_signals[SIGQUIT] == 0) sigsuspend(&none);
  say("SIGINT %d, SIGQUIT %d", (int)caught_signals[SIGINT], (int)caught_signals[SIGQUIT]);
  read_line();
}

// Until the process sleeps.
static void wait_until_asleep(pid_t pid) {
  char path[40], text[100];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  for (;;) {
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, text, sizeof text - 1);
    CHECK(got > 0 && close(fd) == 0);
    text[got] = 0;
    if (strstr(text, ") S ") != NULL) return;
    usleep(1000);
  }
}

static void typed_signals(void) {
  signal(SIGINT, SIG_DFL);  // this group does not get any
  struct Gate go = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    setpgid(0, 0);
    sigset_t typed;
    sigemptyset(&typed);
    sigaddset(&typed, SIGINT);
    sigaddset(&typed, SIGQUIT);
    sigprocmask(SIG_BLOCK, &typed, NULL);
    pass_gate(go);
    be_interrupted();
    _exit(0);
  }
  setpgid(pid, pid);
  CHECK(tcsetpgrp(terminal, pid) == 0);
  open_gate(go);
  const char keys[] = {3, 28, 26};
  for (int i = 0; i < 3; i++) {
    if (master >= 0) usleep(20000), wait_until_asleep(pid);
    type(keys[i]);
  }
  CHECK_STOPPED(pid, SIGTSTP);
  type('\n');
  CHECK(kill(pid, SIGCONT) == 0);
  CHECK_EXITS(pid, 0);
  signal(SIGTTOU, SIG_IGN);
  CHECK(tcsetpgrp(terminal, getpgrp()) == 0);
  signal(SIGTTOU, SIG_DFL);
  remove_gate(go);
}

static int report[2];
static void report_signal(int signal) {
  char letter = signal == SIGHUP ? 'H' : 'C';
  CHECK(write(report[1], &letter, 1) == 1);
}

static void report_and_wait(void) {
  signal(SIGHUP, report_signal);
  signal(SIGCONT, report_signal);
  CHECK(write(report[1], "r", 1) == 1);
  wait_forever();
}

static char next_report(void) {
  char letter;
  CHECK_EQUAL(read(report[0], &letter, 1), 1);
  return letter;
}

// A leader that ends leaves one group in the foreground and one stopped in the background.
static void run_leader(void) {
  CHECK(take(1) == 0);
  pid_t front = start_job(report_and_wait);
  CHECK_EQUAL(next_report(), 'r');
  CHECK(tcsetpgrp(terminal, front) == 0);
  pid_t stopped = start_job(report_and_wait);
  CHECK_EQUAL(next_report(), 'r');
  CHECK(kill(stopped, SIGSTOP) == 0);
  CHECK_STOPPED(stopped, SIGSTOP);
  pid_t jobs[2] = {front, stopped};
  CHECK_EQUAL(write(report[1], jobs, sizeof jobs), (long)sizeof jobs);
  _exit(0);
}

static void end_of_leader(void) {
  CHECK(pipe(report) == 0);
  pid_t leader = checked_fork();
  if (leader == 0) {
    CHECK(setsid() == getpid());
    run_leader();
  }
  CHECK_EXITS(leader, 0);
  pid_t jobs[2];
  CHECK_EQUAL(read(report[0], jobs, sizeof jobs), (long)sizeof jobs);
  int hangups = 0, continues = 0;
  for (int i = 0; i < 3; i++) next_report() == 'H' ? hangups++ : continues++;
  say("the leader's end: %d SIGHUP, %d SIGCONT", hangups, continues);
  for (int i = 0; i < 2; i++) CHECK(kill(jobs[i], SIGKILL) == 0);
}

int main(void) {
  open_terminal();
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK(setsid() == getpid());
    owners();
    foreground();
    background();
    typed_signals();
    signal(SIGHUP, SIG_IGN);
    CHECK(ioctl(terminal, TIOCNOTTY) == 0);
    CHECK_FAILS(tcgetpgrp(terminal), ENOTTY);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  end_of_leader();
  return 0;
}
