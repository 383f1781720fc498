// SPDX-License-Identifier: GPL-2.0-or-later
//
// Programs named by descriptors: execveat and fexecve with files, memfds and O_PATH; programs that run are
// not written; what prctl keeps and exec drops.
#include <sys/prctl.h>
#include <sys/stat.h>

#include "threads.h"

extern char** environ;

static int exec_at(int fd, const char* path, char* const* arguments, int flags) {
  return (int)syscall(SYS_execveat, fd, path, arguments, environ, flags);
}

static char* const kAgain[] = {"execveat", "again", NULL};

// The child runs this program again, which says what it is called and exits with 17.
#define CHECK_RUNS(call)          \
  do {                            \
    pid_t child = checked_fork(); \
    if (child == 0) {             \
      call;                       \
      _exit(errno);               \
    }                             \
    CHECK_EXITS(child, 17);       \
  } while (0)

static char directory[] = "/tmp/execveatXXXXXX";
static char program[64];

static void copy_program(const char* path) {
  int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  CHECK(from >= 0 && to >= 0);
  static char buffer[1 << 16];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
    CHECK_EQUAL(write(to, buffer, (size_t)got), got);
  CHECK(close(from) == 0 && close(to) == 0);
}

static int memory_program(unsigned flags) {
  int fd = (int)syscall(SYS_memfd_create, "program", flags), from = open(program, O_RDONLY);
  CHECK(fd >= 0 && from >= 0);
  static char buffer[1 << 16];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
    CHECK_EQUAL(write(fd, buffer, (size_t)got), got);
  CHECK(close(from) == 0);
  return fd;
}

static void descriptors(void) {
  CHECK_RUNS(exec_at(AT_FDCWD, program, kAgain, 0));
  int folder = open(directory, O_RDONLY | O_DIRECTORY);
  CHECK_RUNS(exec_at(folder, "program", kAgain, 0));
  int path_only = open(program, O_PATH);
  CHECK_RUNS(exec_at(path_only, "", kAgain, AT_EMPTY_PATH));
  int plain = open(program, O_RDONLY | O_CLOEXEC);
  CHECK_RUNS(exec_at(plain, "", kAgain, AT_EMPTY_PATH));
  CHECK_RUNS(fexecve(plain, kAgain, environ));
  int memory = memory_program(1 /* MFD_CLOEXEC */);
  CHECK_RUNS(exec_at(memory, "", kAgain, AT_EMPTY_PATH));
  CHECK_RUNS(fexecve(memory, kAgain, environ));

  CHECK_FAILS(exec_at(plain, "", kAgain, 0), ENOENT);
  CHECK_FAILS(exec_at(plain, "program", kAgain, 0x10), EINVAL);
  CHECK_FAILS(exec_at(plain, "program", kAgain, 0), ENOTDIR);
  CHECK_FAILS(exec_at(99, "program", kAgain, 0), EBADF);
  CHECK_FAILS(exec_at(99, "", kAgain, AT_EMPTY_PATH), EBADF);
  CHECK_FAILS(exec_at(folder, "", kAgain, AT_EMPTY_PATH), EACCES);
  CHECK_FAILS(exec_at(folder, "none", kAgain, 0), ENOENT);
  CHECK(symlinkat("program", folder, "link") == 0);
  CHECK_RUNS(exec_at(folder, "link", kAgain, 0));
  CHECK_FAILS(exec_at(folder, "link", kAgain, AT_SYMLINK_NOFOLLOW), ELOOP);
  CHECK(unlinkat(folder, "link", 0) == 0);

  // A script's interpreter has to open it by name.
  int script = openat(folder, "script", O_WRONLY | O_CREAT, 0755);
  CHECK(dprintf(script, "#!%s again\n", program) > 0);
  CHECK(close(script) == 0);
  CHECK_RUNS(exec_at(folder, "script", kAgain, 0));
  script = openat(folder, "script", O_RDONLY);
  CHECK_RUNS(exec_at(script, "", kAgain, AT_EMPTY_PATH));
  CHECK(fcntl(script, F_SETFD, FD_CLOEXEC) == 0);
  CHECK_FAILS(exec_at(script, "", kAgain, AT_EMPTY_PATH), ENOENT);
  CHECK(unlinkat(folder, "script", 0) == 0);
  CHECK(close(folder) == 0 && close(path_only) == 0 && close(plain) == 0 && close(memory) == 0 &&
        close(script) == 0);
  say("descriptors");
}

static void busy_text(void) {
  int writer = open(program, O_WRONLY);
  CHECK(writer >= 0);
  CHECK_FAILS(exec_at(AT_FDCWD, program, kAgain, 0), ETXTBSY);
  CHECK(close(writer) == 0);
  struct Gate ready = make_gate(), end = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    char ends[2][8];
    snprintf(ends[0], 8, "%d", dup(ready.write_end));
    snprintf(ends[1], 8, "%d", dup(end.read_end));
    execl(program, "execveat", "wait", ends[0], ends[1], NULL);
    _exit(errno);
  }
  pass_gate(ready);
  CHECK_FAILS(open(program, O_WRONLY), ETXTBSY);
  CHECK_FAILS(open(program, O_RDWR), ETXTBSY);
  CHECK_FAILS(open(program, O_RDONLY | O_TRUNC), ETXTBSY);
  CHECK_FAILS(truncate(program, 0), ETXTBSY);
  int reader = open(program, O_RDONLY);
  CHECK(reader >= 0 && close(reader) == 0);
  open_gate(end);
  CHECK_EXITS(pid, 18);
  writer = open(program, O_WRONLY);
  CHECK(writer >= 0 && close(writer) == 0);
  remove_gate(ready);
  remove_gate(end);
  say("busy text");
}

static void* parent_thread(void* pids) {
  struct Gate ready = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    int signal_number = 77;
    CHECK(prctl(PR_GET_PDEATHSIG, &signal_number) == 0);
    CHECK_EQUAL(signal_number, 0);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
    open_gate(ready);
    for (;;) pause();
  }
  pass_gate(ready);
  remove_gate(ready);
  *(pid_t*)pids = pid;
  return NULL;
}

static void process_control(void) {
  pid_t pid;
  result_of(start(parent_thread, &pid));  // a thread that ends is a parent that ends
  CHECK_KILLED(pid, SIGTERM);
  CHECK_FAILS(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
  CHECK_EQUAL(prctl(PR_GET_KEEPCAPS), 0);
  CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
  CHECK_EQUAL(prctl(PR_GET_KEEPCAPS), 1);
  CHECK(prctl(PR_SET_KEEPCAPS, 0) == 0);
  CHECK_FAILS(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
  CHECK_EQUAL(prctl(PR_GET_DUMPABLE), 1);
  CHECK_EQUAL(prctl(PR_GET_TIMERSLACK), 50000);
  CHECK(prctl(PR_SET_TIMERSLACK, 1000) == 0);
  CHECK_EQUAL(prctl(PR_GET_TIMERSLACK), 1000);
  CHECK(prctl(PR_SET_TIMERSLACK, 0) == 0);
  CHECK_EQUAL(prctl(PR_GET_TIMERSLACK), 50000);
  CHECK_FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
  pid = checked_fork();
  if (pid == 0) {
    CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    pid = checked_fork();
    if (pid == 0) _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CHECK_EXITS(pid, 1);
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK_FAILS(prctl(12345), EINVAL);
  say("process control");
}

int main(int argc, char** argv) {
  if (argc > 3 && strcmp(argv[1], "wait") == 0) {
    open_gate((struct Gate){0, atoi(argv[2])});
    pass_gate((struct Gate){atoi(argv[3]), 0});
    return 18;
  }
  if (argc > 1) return 17;
  CHECK(mkdtemp(directory) != NULL);
  snprintf(program, sizeof program, "%s/program", directory);
  copy_program(program);
  descriptors();
  busy_text();
  process_control();
  CHECK(unlink(program) == 0 && rmdir(directory) == 0);
  return 0;
}
