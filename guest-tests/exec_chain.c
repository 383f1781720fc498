// SPDX-License-Identifier: GPL-2.0-or-later
//
// execve, of this program itself: arguments and environment however long, what stays and what goes
// (descriptors, signals, memory, threads, timers), execs that fail and change nothing, vfork and posix_spawn,
// scripts.
//
// Without arguments, or with from-memory, the program is the test; with others it is what the test executes.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "threads.h"

static const char kSelf[] = "/proc/self/exe";

__attribute__((noreturn)) static void exec_self(char* const arguments[], char* const environment[]) {
  execve(kSelf, arguments, environment);
  CHECK(!"execve came back");
  _exit(1);
}

#define EXEC(...) exec_self((char*[]){"exec_chain", __VA_ARGS__, NULL}, (char*[]){"KEPT=yes", NULL})

static char* number(long value) {
  char* text = malloc(24);
  snprintf(text, 24, "%ld", value);
  return text;
}

// ---- A chain: each link checks what it got and hands on one less
// ------------------------------------------------

enum { kLinks = 40 };

static void link_of_chain(char** arguments) {
  long left = atol(arguments[2]), sum = atol(arguments[3]);
  CHECK_EQUAL(getpid(), atol(arguments[4]));
  CHECK_EQUAL(syscall(SYS_gettid), getpid());
  const char* in_environment = getenv("LEFT");
  CHECK(in_environment && atol(in_environment) == left);
  CHECK(strcmp(arguments[5], "") == 0 && strcmp(arguments[6], "two words") == 0 && arguments[7] == NULL);
  if (left == 0) _exit(sum == kLinks * (kLinks + 1) / 2 ? 42 : 1);
  char variable[40];
  snprintf(variable, sizeof variable, "LEFT=%ld", left - 1);
  exec_self((char*[]){"exec_chain", "link", number(left - 1), number(sum + left), arguments[4], "",
                      "two words", NULL},
            (char*[]){"A=1", variable, "EMPTY=", NULL});
}

static void chain(void) {
  pid_t pid = checked_fork();
  if (pid == 0) {
    char variable[40];
    snprintf(variable, sizeof variable, "LEFT=%d", kLinks);
    exec_self((char*[]){"exec_chain", "link", number(kLinks), "0", number(getpid()), "", "two words", NULL},
              (char*[]){variable, NULL});
  }
  CHECK_EXITS(pid, 42);
  say("%d execs, one after the other", kLinks);
}

// ---- Long arguments
// ---------------------------------------------------------------------------------------------

enum { kLongest = 131072, kManyArguments = 2000 };  // MAX_ARG_STRLEN, with the zero

static char* long_string(size_t bytes, int seed) {  // the zero included
  char* text = malloc(bytes);
  for (size_t i = 0; i + 1 < bytes; i++) text[i] = (char)('a' + (i + (size_t)seed) % 23);
  text[bytes - 1] = 0;
  return text;
}

static void check_many(int count, char** arguments) {
  CHECK_EQUAL(count, kManyArguments);
  for (int i = 2; i < count - 1; i++) CHECK(strcmp(arguments[i], long_string(10 + (size_t)i % 50, i)) == 0);
  CHECK(strcmp(arguments[count - 1], long_string(kLongest, 5)) == 0);
  CHECK(strcmp(getenv("LONG"), long_string(50000, 1)) == 0);
  _exit(43);
}

static void long_arguments(void) {
  static char* arguments[kManyArguments + 1] = {"exec_chain", "many"};
  static char* many[kManyArguments + 1];
  for (int i = 2; i < kManyArguments - 1; i++) arguments[i] = long_string(10 + (size_t)i % 50, i);
  arguments[kManyArguments - 1] = long_string(kLongest, 5);
  char* variable = malloc(50005);
  memcpy(variable, "LONG=", 5);
  memcpy(variable + 5, long_string(50000, 1), 50000);
  pid_t pid = checked_fork();
  if (pid == 0) exec_self(arguments, (char*[]){variable, NULL});
  CHECK_EXITS(pid, 43);

  char* one[] = {"exec_chain", long_string(kLongest + 1, 0), NULL};
  CHECK_FAILS(execve(kSelf, one, environ), E2BIG);
  for (int i = 0; i < 10; i++) many[i] = arguments[kManyArguments - 1];
  struct rlimit old;
  CHECK(getrlimit(RLIMIT_STACK, &old) == 0);
  const struct rlimit megabyte = {1 << 20, old.rlim_max};  // a quarter of the stack is for arguments
  CHECK(setrlimit(RLIMIT_STACK, &megabyte) == 0);
  CHECK_FAILS(execve(kSelf, many, environ), E2BIG);
  CHECK(setrlimit(RLIMIT_STACK, &old) == 0);
  for (int i = 2; i < kManyArguments - 1; i++) free(arguments[i]);
  say("long arguments, and too long ones");
}

// ---- What stays and what goes
// -----------------------------------------------------------------------------------

static void handle(int signal) { (void)signal; }

static void check_inherited(char** arguments) {
  int kept = atoi(arguments[2]), closed = atoi(arguments[3]), twin = atoi(arguments[4]);
  char text[8];
  CHECK_EQUAL(read(kept, text, 3), 3);  // where the first image has left off
  CHECK(memcmp(text, "def", 3) == 0);
  CHECK_FAILS(fcntl(closed, F_GETFD), EBADF);
  CHECK_EQUAL(fcntl(twin, F_GETFD), 0);
  struct sigaction action;
  CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
  CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
  sigset_t mask, pending;
  CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigpending(&pending) == 0);
  CHECK(sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGINT));
  CHECK(sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT));
  CHECK(alarm(0) > 0);
  stack_t stack;
  CHECK(sigaltstack(NULL, &stack) == 0);
  CHECK_EQUAL(stack.ss_flags, SS_DISABLE);
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 77);
  install_handler(SIGSEGV, catch_and_leave, 0);
  for (int i = 5; i < 7; i++) {
    CHECK(RAISES(read_byte((char*)strtoul(arguments[i], NULL, 0))));
    CHECK_EQUAL(caught.code, SEGV_MAPERR);
  }
  CHECK_EQUAL(getppid(), atol(arguments[7]));
  CHECK_EQUAL(umask(0), 027);
  CHECK(strcmp(getenv("KEPT"), "yes") == 0);
  _exit(44);
}

static void inherited(void) {
  pid_t parent = getpid(), pid = checked_fork();
  if (pid == 0) {
    int kept = memfd_create("kept", 0), closed = memfd_create("closed", MFD_CLOEXEC), twin = dup(closed);
    char text[8];
    CHECK_EQUAL(write(kept, "abcdef", 6), 6);
    CHECK_EQUAL(lseek(kept, 0, SEEK_SET), 0);
    CHECK_EQUAL(read(kept, text, 3), 3);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR && signal(SIGUSR2, handle) != SIG_ERR);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
    CHECK(raise(SIGTERM) == 0);
    alarm(100);
    static char alternate[65536];
    CHECK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){77, 77}) == 0);
    umask(027);
    char* place = (char*)0x500000000000;
    CHECK(mmap(place, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          place);
    CHECK(mmap(place + kPage, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          place + kPage);
    write_byte(place, 1), write_byte(place + kPage, 1);
    EXEC("inherited", number(kept), number(closed), number(twin), "0x500000000000", "0x500000001000",
         number(parent));
  }
  CHECK_EXITS(pid, 44);
  say("what stays over exec, and what goes");
}

// The classic way to learn that exec worked: the pipe closes.
static void parent_and_child(void) {
  int ends[2];
  char byte;
  struct Gate hold = make_gate();
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    int waiting = dup(hold.read_end);
    EXEC("wait", number(waiting));
  }
  CHECK(close(ends[1]) == 0);
  CHECK(setpgid(pid, 0) == 0 || errno == EACCES);  // before exec or after
  CHECK_EQUAL(read(ends[0], &byte, 1), 0);
  CHECK_FAILS(setpgid(pid, getpgrp()), EACCES);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
  open_gate(hold);
  CHECK_EXITS(pid, 45);
  CHECK(close(ends[0]) == 0);
  remove_gate(hold);
  say("a parent sees that its child has executed");
}

// ---- Threads
// ----------------------------------------------------------------------------------------------------

static volatile long ticks;
static char pid_text[24];

static void* spin(void* argument) {
  for (;;) ticks++;
  return argument;
}

static void* exec_from_here(void* argument) {
  EXEC("alone", pid_text);
  return argument;
}

static void* give_back(void* argument) { return argument; }

static void threads_die(void) {
  for (int from_first = 0; from_first < 2; from_first++) {
    pid_t pid = checked_fork();
    if (pid == 0) {
      snprintf(pid_text, sizeof pid_text, "%d", getpid());
      for (int i = 0; i < 3; i++) start(spin, NULL);
      while (ticks == 0) sched_yield();
      if (from_first) exec_from_here(NULL);
      result_of(start(exec_from_here, NULL));
    }
    CHECK_EXITS(pid, 46);
  }
  say("exec ends all threads, whoever calls it, and keeps the pid");
}

static void check_alone(char** arguments) {
  CHECK_EQUAL(getpid(), atol(arguments[2]));
  CHECK_EQUAL(syscall(SYS_gettid), getpid());                    // a thread that executes becomes the first
  CHECK_EQUAL((long)result_of(start(give_back, (void*)7L)), 7);  // and can have new ones
  _exit(46);
}

// ---- Execs that fail
// --------------------------------------------------------------------------------------------

static void failing(void) {
  char* arguments[] = {"exec_chain", "never", NULL};
  char name[300];
  static volatile int marker;
  marker = 5;
  CHECK(signal(SIGUSR2, handle) != SIG_ERR);
  CHECK_FAILS(execve("/nowhere/at/all", arguments, environ), ENOENT);
  CHECK_FAILS(execve("", arguments, environ), ENOENT);
  CHECK_FAILS(execve("/", arguments, environ), EACCES);
  CHECK_FAILS(execve("/proc/self/exe/x", arguments, environ), ENOTDIR);
  CHECK_FAILS(execve(nowhere(), arguments, environ), EFAULT);
  CHECK_FAILS(execve(kSelf, nowhere(), environ), EFAULT);
  memset(name, 'n', sizeof name);
  name[0] = '/', name[sizeof name - 1] = 0;
  CHECK_FAILS(execve(name, arguments, environ), ENAMETOOLONG);
  struct sigaction action;
  CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == handle);
  CHECK(signal(SIGUSR2, SIG_DFL) != SIG_ERR);
  CHECK_EQUAL(marker, 5);
  say("an exec that fails changes nothing");
}

// ---- vfork and posix_spawn
// --------------------------------------------------------------------------------------

static volatile int vfork_error;

static pid_t vfork_and_exec(const char* path, char* const arguments[]) {
  pid_t pid = vfork();
  if (pid == 0) {
    execve(path, arguments, environ);
    vfork_error = errno;  // seen by the parent
    _exit(127);
  }
  CHECK(pid > 0);
  return pid;
}

static void vforks(void) {
  char* arguments[] = {"exec_chain", "exit", "47", NULL};
  for (int i = 0; i < 10; i++) CHECK_EXITS(vfork_and_exec(kSelf, arguments), 47);
  CHECK_EQUAL(vfork_error, 0);
  CHECK_EXITS(vfork_and_exec("/nowhere", arguments), 127);
  CHECK_EQUAL(vfork_error, ENOENT);
  pid_t pid;
  int ends[2];
  char text[16] = "";
  posix_spawn_file_actions_t actions;
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  CHECK_ZERO(posix_spawn_file_actions_init(&actions));
  CHECK_ZERO(posix_spawn_file_actions_adddup2(&actions, ends[1], 1));
  CHECK_ZERO(posix_spawn(&pid, kSelf, &actions, NULL, (char*[]){"exec_chain", "speak", NULL}, environ));
  CHECK_EXITS(pid, 48);
  CHECK_EQUAL(read(ends[0], text, sizeof text), 6);
  CHECK(strcmp(text, "spoke\n") == 0);
  CHECK_EQUAL(posix_spawn(&pid, "/nowhere", NULL, NULL, arguments, environ), ENOENT);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
  say("vfork and posix_spawn");
}

// ---- Scripts, and programs in memory
// ----------------------------------------------------------------------------

static int executable(const char* contents, size_t bytes) {
  char path[40];
  int fd = memfd_create("program", 0);
  for (size_t done = 0; done < bytes;) {
    ssize_t written = write(fd, contents + done, bytes - done);
    CHECK(written > 0);
    done += (size_t)written;
  }
  CHECK(fchmod(fd, 0755) == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int reopened = open(path, O_RDONLY);
  CHECK(reopened >= 0 && close(fd) == 0);
  return reopened;
}

static void scripts(void) {
  static const char script[] = "#! /proc/self/exe script and more \nwhatever\n";
  char path[40];
  int fd = executable(script, sizeof script - 1);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  pid_t pid = checked_fork();
  if (pid == 0) execve(path, (char*[]){"replaced", "one", "two", NULL}, environ);
  CHECK_EXITS(pid, 49);
  CHECK(close(fd) == 0);
  say("a script");
}

static void not_programs(void) {
  char *arguments[] = {"exec_chain", "never", NULL}, path[40];
  static const char* const contents[] = {"", "neither program nor script\n", "\177ELF and no more", "#!\n"};
  for (int i = 0; i < 4; i++) {
    int fd = memfd_create("bad", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_EQUAL(write(fd, contents[i], strlen(contents[i])), (long)strlen(contents[i]));
    int reopened = open(path, O_RDONLY);  // nobody may execute what is open for writing
    CHECK(close(fd) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", reopened);
    CHECK_FAILS(execve(path, arguments, environ), ENOEXEC);
    CHECK(fchmod(reopened, 0600) == 0);
    CHECK_FAILS(execve(path, arguments, environ), EACCES);
    CHECK(close(reopened) == 0);
  }
  say("what is no program is not executed");
}

static void check_script(int count, char** arguments) {
  CHECK_EQUAL(count, 5);
  CHECK(strcmp(arguments[0], kSelf) == 0 && strcmp(arguments[1], "script and more") == 0);
  CHECK(strncmp(arguments[2], "/proc/self/fd/", 14) == 0);
  CHECK(strcmp(arguments[3], "one") == 0 && strcmp(arguments[4], "two") == 0);
  _exit(49);
}

static void program_in_memory(void) {
  int self = open(kSelf, O_RDONLY);
  struct stat stat;
  CHECK(self >= 0 && fstat(self, &stat) == 0);
  char* image = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, self, 0);
  CHECK(image != MAP_FAILED && memcmp(image, "\177ELF", 4) == 0);
  int fd = executable(image, (size_t)stat.st_size);
  pid_t pid = checked_fork();
  if (pid == 0) {
    fexecve(fd, (char*[]){"exec_chain", "exit", "50", NULL}, environ);
    _exit(1);
  }
  CHECK_EXITS(pid, 50);
  CHECK(close(fd) == 0 && close(self) == 0 && munmap(image, (size_t)stat.st_size) == 0);
  say("a program in a memfd");
}

static void be_executed(int count, char** arguments) {
  const char* what = arguments[1];
  if (strcmp(what, "link") == 0) link_of_chain(arguments);
  if (strcmp(what, "many") == 0) check_many(count, arguments);
  if (strcmp(what, "inherited") == 0) check_inherited(arguments);
  if (strcmp(what, "alone") == 0) check_alone(arguments);
  if (strcmp(what, "script and more") == 0) check_script(count, arguments);
  if (strcmp(what, "exit") == 0) exit(atoi(arguments[2]));
  if (strcmp(what, "wait") == 0) {
    char byte;
    CHECK_EQUAL(read(atoi(arguments[2]), &byte, 1), 1);
    _exit(45);
  }
  if (strcmp(what, "speak") == 0) {
    say("spoke");
    _exit(48);
  }
  CHECK(!"known");
}

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "from-memory") == 0) {
    not_programs();
    scripts();
    program_in_memory();
    return 0;
  }
  if (count > 1) be_executed(count, arguments);
  chain();
  long_arguments();
  inherited();
  parent_and_child();
  threads_die();
  failing();
  vforks();
  return 0;
}
