// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes with names: making and opening them, who waits for whom, what poll says, ends that come and go.
#include <poll.h>
#include <sys/stat.h>

#include "children.h"

static char path[] = "/tmp/fifosXXXXXX/fifo";
static char directory[32];

static short poll_now(int fd) {
  struct pollfd entry = {fd, POLLIN | POLLOUT, 0};
  CHECK(poll(&entry, 1, 0) >= 0);
  return entry.revents;
}

static void making(void) {
  umask(027);
  CHECK(mkfifo(path, 0666) == 0);
  CHECK_FAILS(mkfifo(path, 0666), EEXIST);
  CHECK_FAILS(mkfifo("/tmp/none/fifo", 0666), ENOENT);
  struct stat about;
  CHECK(stat(path, &about) == 0);
  CHECK(S_ISFIFO(about.st_mode));
  CHECK_EQUAL(about.st_mode & 07777, 0640);
  CHECK_EQUAL(about.st_size, 0);
  CHECK(unlink(path) == 0);
  CHECK(mknod(path, S_IFIFO | 0600, 0) == 0);
  char other[sizeof path + 8];
  snprintf(other, sizeof other, "%s.other", path);
  CHECK(link(path, other) == 0);
  CHECK(stat(other, &about) == 0);
  CHECK(S_ISFIFO(about.st_mode) && about.st_nlink == 2);

  int reader = open(path, O_RDONLY | O_NONBLOCK), writer = open(other, O_WRONLY);  // one pipe, two names
  CHECK(reader >= 0 && writer >= 0);
  CHECK_EQUAL(write(writer, "through", 8), 8);
  CHECK(unlink(other) == 0);
  char text[8];
  CHECK_EQUAL(read(reader, text, sizeof text), 8);
  CHECK_FAILS(lseek(reader, 0, SEEK_SET), ESPIPE);
  CHECK_FAILS(read(writer, text, 1), EBADF);
  CHECK_FAILS(write(reader, text, 1), EBADF);
  CHECK_FAILS(ftruncate(writer, 0), EINVAL);
  CHECK(close(reader) == 0 && close(writer) == 0);
  say("making: %s", text);
}

static void without_waiting(void) {
  CHECK_FAILS(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
  int both = open(path, O_RDWR);
  CHECK(both >= 0);
  CHECK_EQUAL(poll_now(both), POLLOUT);
  CHECK_EQUAL(write(both, "abc", 3), 3);
  CHECK_EQUAL(poll_now(both), POLLIN | POLLOUT);
  int writer = open(path, O_WRONLY | O_NONBLOCK);
  CHECK(writer >= 0);
  CHECK(close(writer) == 0 && close(both) == 0);  // and what was in it is lost

  int reader = open(path, O_RDONLY | O_NONBLOCK);
  char byte;
  CHECK_EQUAL(read(reader, &byte, 1), 0);
  CHECK_EQUAL(poll_now(reader), 0);  // nobody has hung up: nobody was there
  writer = open(path, O_WRONLY | O_NONBLOCK);
  CHECK_FAILS(read(reader, &byte, 1), EAGAIN);
  CHECK_EQUAL(poll_now(reader), 0);
  CHECK_EQUAL(write(writer, "x", 1), 1);
  CHECK_EQUAL(poll_now(reader), POLLIN);
  CHECK(close(writer) == 0);
  CHECK_EQUAL(poll_now(reader), POLLIN | POLLHUP);
  CHECK_EQUAL(read(reader, &byte, 1), 1);
  CHECK_EQUAL(read(reader, &byte, 1), 0);
  CHECK_EQUAL(poll_now(reader), POLLHUP);
  writer = open(path, O_WRONLY);  // the next writer
  CHECK_EQUAL(poll_now(reader), 0);
  CHECK(close(reader) == 0);
  CHECK_EQUAL(poll_now(writer), POLLOUT | POLLERR);
  signal(SIGPIPE, SIG_IGN);
  CHECK_FAILS(write(writer, "x", 1), EPIPE);
  signal(SIGPIPE, SIG_DFL);
  CHECK(close(writer) == 0);

  int path_only = open(path, O_PATH);  // opens no end
  CHECK(path_only >= 0);
  CHECK_FAILS(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
  CHECK(close(path_only) == 0);
  say("without waiting");
}

// A child opens an end, says so, and moves a byte.
static pid_t start_opening(int flags, struct Gate opened) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    int fd = open(path, flags);
    CHECK(fd >= 0);
    open_gate(opened);
    char byte = 'b';
    ssize_t moved = flags == O_RDONLY ? read(fd, &byte, 1) : write(fd, &byte, 1);
    _exit(moved == 1 ? byte : 100 + (int)moved);
  }
  return pid;
}

static void waiting(void) {
  struct Gate opened = make_gate();
  pid_t pid = start_opening(O_RDONLY, opened);
  usleep(2000);
  CHECK_EQUAL(poll_now(opened.read_end), 0);  // it waits
  int fd = open(path, O_WRONLY);
  CHECK(fd >= 0);
  pass_gate(opened);
  CHECK_EQUAL(write(fd, "a", 1), 1);
  CHECK_EXITS(pid, 'a');
  CHECK(close(fd) == 0);

  pid = start_opening(O_WRONLY, opened);
  usleep(2000);
  CHECK_EQUAL(poll_now(opened.read_end), 0);
  fd = open(path, O_RDONLY);
  pass_gate(opened);
  char byte = 0;
  CHECK_EQUAL(read(fd, &byte, 1), 1);
  CHECK_EQUAL(byte, 'b');
  CHECK_EXITS(pid, 'b');
  CHECK_EQUAL(read(fd, &byte, 1), 0);
  CHECK(close(fd) == 0);

  // A partner that goes at once was one nevertheless.
  pid = start_opening(O_RDONLY, opened);
  do fd = open(path, O_WRONLY | O_NONBLOCK);
  while (fd < 0 && errno == ENXIO && usleep(500) == 0);
  CHECK(fd >= 0);
  CHECK(close(fd) == 0);
  pass_gate(opened);
  CHECK_EXITS(pid, 100);
  remove_gate(opened);
  say("waiting for the other end");
}

static volatile sig_atomic_t alarms;
static void count_alarm(int signal) {
  (void)signal;
  alarms++;
}

static void interrupted(void) {
  struct sigaction action = {.sa_handler = count_alarm};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  struct Gate ready = make_gate();
  for (int restarts = 0; restarts < 2; restarts++) {
    alarms = 0;
    action.sa_flags = restarts ? SA_RESTART : 0;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pid_t parent = getpid();
    pid_t pid = checked_fork();
    if (pid == 0) {
      pass_gate(ready);
      usleep(5000);
      for (;;) {  // until the parent has left its open()
        CHECK(kill(parent, SIGUSR1) == 0);
        usleep(1000);
        if (!restarts) continue;
        int fd = open(path, O_WRONLY);
        _exit(fd >= 0 ? 0 : 1);
      }
    }
    open_gate(ready);
    int fd = open(path, O_RDONLY);
    if (restarts) {
      CHECK(fd >= 0);
      CHECK_EXITS(pid, 0);
      CHECK(close(fd) == 0);
    } else {
      CHECK(fd < 0 && errno == EINTR);
      CHECK(kill(pid, SIGKILL) == 0);
      CHECK_KILLED(pid, SIGKILL);
      CHECK_FAILS(open(path, O_WRONLY | O_NONBLOCK), ENXIO);  // the reader that gave up is gone
    }
    CHECK(alarms > 0);
  }
  remove_gate(ready);
  say("interrupted opens");
}

// Several writers, one reader: lines stay whole, and the end comes after the last writer.
static void many_writers(void) {
  enum { kWriters = 4, kLines = 200 };
  int hold = open(path, O_RDWR);  // so that none has to wait
  pid_t pids[kWriters];
  for (int i = 0; i < kWriters; i++) {
    pids[i] = checked_fork();
    if (pids[i] == 0) {
      CHECK(close(hold) == 0);
      int fd = open(path, O_WRONLY);
      char line[17];
      for (int number = 0; number < kLines; number++) {
        snprintf(line, sizeof line, "writer %d %06d\n", i, number);
        CHECK_EQUAL(write(fd, line, 16), 16);
      }
      _exit(0);
    }
  }
  int fd = open(path, O_RDONLY);
  int next[kWriters] = {0};
  for (int i = 0; i < kWriters * kLines; i++) {
    char line[17] = "";
    int writer, number;
    CHECK_EQUAL(read(fd, line, 16), 16);
    CHECK_EQUAL(sscanf(line, "writer %d %d", &writer, &number), 2);
    CHECK_EQUAL(number, next[writer]++);
  }
  for (int i = 0; i < kWriters; i++) CHECK_EXITS(pids[i], 0);
  CHECK(close(hold) == 0);
  char byte;
  CHECK_EQUAL(read(fd, &byte, 1), 0);
  CHECK(close(fd) == 0);
  say("many writers");
}

int main(void) {
  path[16] = 0;
  CHECK(mkdtemp(path) != NULL);
  strcpy(directory, path);
  path[16] = '/';
  making();
  without_waiting();
  waiting();
  interrupted();
  many_writers();
  CHECK(unlink(path) == 0 && rmdir(directory) == 0);
  return 0;
}
