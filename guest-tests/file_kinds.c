// SPDX-License-Identifier: GPL-2.0-or-later
//
// What each kind of file can do and what it refuses: be polled, sought in, spliced, sent, read directly,
// given a name; and what fcntl keeps for an open file.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "children.h"

static int null, zero, full, urandom, memory, folder, event, timer, set, ends[2];

static void open_all(void) {
  null = open("/dev/null", O_RDWR);
  zero = open("/dev/zero", O_RDWR);
  full = open("/dev/full", O_RDWR);
  urandom = open("/dev/urandom", O_RDWR);
  memory = memfd_create("kinds", 0);
  folder = open("/dev/shm", O_RDONLY);
  event = eventfd(0, EFD_NONBLOCK);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  set = epoll_create1(0);
  CHECK(null >= 0 && zero >= 0 && full >= 0 && urandom >= 0 && memory >= 0 && folder >= 0);
  CHECK(event >= 0 && timer >= 0 && set >= 0 && pipe2(ends, O_NONBLOCK) == 0);
  CHECK_EQUAL(pwrite(memory, "0123456789", 10, 0), 10);
}

static void positions(void) {
  char bytes[8];
  const int nowhere_to_go[] = {null, zero, full, urandom, event, timer, set};
  for (int i = 0; i < 7; i++) {
    int fd = nowhere_to_go[i];
    for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++) CHECK_EQUAL(lseek(fd, 100, whence), 0);
    CHECK_EQUAL(lseek(fd, -100, SEEK_SET), 0);
    CHECK_FAILS(lseek(fd, 0, 9), EINVAL);
    if (i < 4) CHECK_EQUAL(pread(fd, bytes, 8, 5), fd == null ? 0 : 8);
    if (i >= 4) CHECK_FAILS(pread(fd, bytes, 8, 5), ESPIPE);
  }
  CHECK_EQUAL(read(zero, bytes, 8), 8);
  CHECK_EQUAL(lseek(zero, 0, SEEK_CUR), 0);
  say("positions");
}

static void addresses(void) {
  char* end = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE) + kPage;
  CHECK(munmap(end, kPage) == 0);
  CHECK_EQUAL(raw_syscall(SYS_write, urandom, 16, 5, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(write(urandom, end - 6, 20), 6);
  CHECK_EQUAL(read(zero, end - 6, 20), 6);
  CHECK_EQUAL(raw_syscall(SYS_write, null, 16, 5, 0, 0, 0), 5);  // which looks at nothing
  CHECK_EQUAL(raw_syscall(SYS_write, null, -100, 5, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(raw_syscall(SYS_read, null, -100, 5, 0, 0, 0), -EFAULT);
  CHECK_EQUAL(raw_syscall(SYS_read, null, (long)end, -1, 0, 0, 0), -EFAULT);
  say("addresses");
}

static long add(int fd, unsigned events) {
  struct epoll_event wanted = {.events = events};
  return epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted);
}

static void polled_or_not(void) {
  const int cannot[] = {null, zero, full, urandom, memory, folder};
  struct epoll_event wanted = {.events = EPOLLIN};
  for (int i = 0; i < 6; i++) {
    CHECK_FAILS(add(cannot[i], EPOLLIN), EPERM);
    CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_DEL, cannot[i], &wanted), EPERM);
    CHECK_FAILS(epoll_ctl(cannot[i], EPOLL_CTL_ADD, cannot[i], &wanted), EPERM);
  }
  int status = open("/proc/self/status", O_RDONLY), uptime = open("/proc/uptime", O_RDONLY);
  int path = open("/dev/shm", O_PATH);
  CHECK_FAILS(add(status, EPOLLIN), EPERM);
  CHECK(add(uptime, EPOLLIN) == 0);
  CHECK_FAILS(add(path, EPOLLIN), EBADF);
  close(status), close(uptime), close(path);

  CHECK_FAILS(add(event, EPOLLEXCLUSIVE | EPOLLIN | EPOLLONESHOT), EINVAL);
  CHECK_FAILS(add(event, EPOLLEXCLUSIVE | EPOLLIN | EPOLLRDHUP), EINVAL);
  CHECK_FAILS(add(event, EPOLLEXCLUSIVE | EPOLLIN | EPOLLPRI), EINVAL);
  CHECK(add(event, EPOLLEXCLUSIVE | EPOLLIN | EPOLLOUT | EPOLLET) == 0);
  CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, event, &wanted), EINVAL);
  CHECK(epoll_ctl(set, EPOLL_CTL_DEL, event, NULL) == 0);
  wanted.events |= EPOLLEXCLUSIVE;
  CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, event, &wanted), EINVAL);
  int inner = epoll_create1(0);
  CHECK_FAILS(add(inner, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
  close(inner);
  say("epoll sets take what can be polled");
}

static void drain(void) {
  char bytes[100];
  while (read(ends[0], bytes, sizeof bytes) > 0) continue;
}

static void sending(void) {
  char bytes[100];
  off_t offset = 4;
  CHECK(ftruncate(memory, 0) == 0 && ftruncate(memory, 100) == 0);
  CHECK_EQUAL(sendfile(memory, zero, NULL, 8), 8);
  CHECK_EQUAL(sendfile(memory, zero, &offset, 8), 8);
  CHECK_EQUAL(offset, 4);
  CHECK_EQUAL(sendfile(memory, full, NULL, 8), 8);
  CHECK_EQUAL(sendfile(memory, urandom, NULL, 8), 8);
  CHECK_EQUAL(lseek(memory, 0, SEEK_CUR), 32);
  CHECK_FAILS(sendfile(memory, null, NULL, 8), EINVAL);
  CHECK_EQUAL(sendfile(memory, null, NULL, 0), 0);
  CHECK_EQUAL(sendfile(memory, folder, NULL, 0), 0);
  CHECK_FAILS(sendfile(memory, folder, NULL, 8), EINVAL);
  CHECK_FAILS(sendfile(memory, event, NULL, 8), EINVAL);
  CHECK_FAILS(sendfile(memory, ends[0], NULL, 8), EINVAL);
  CHECK_EQUAL(sendfile(null, zero, NULL, 8), 8);
  CHECK_EQUAL(sendfile(urandom, memory, NULL, 8), 8);
  CHECK_FAILS(sendfile(full, zero, NULL, 8), EINVAL);
  CHECK_FAILS(sendfile(event, memory, NULL, 8), EINVAL);
  CHECK_EQUAL(sendfile(ends[1], zero, NULL, 5), 5);
  CHECK_EQUAL(sendfile(ends[1], memory, NULL, 5), 5);
  CHECK_FAILS(sendfile(ends[1], null, NULL, 5), EINVAL);
  CHECK_EQUAL(read(ends[0], bytes, 100), 10);
  static char much[100000];
  CHECK_EQUAL(pwrite(memory, much, sizeof much, 0), sizeof much);
  CHECK(lseek(memory, 0, SEEK_SET) == 0);
  CHECK_EQUAL(sendfile(ends[1], memory, NULL, sizeof much), 65536);  // what fits
  CHECK_FAILS(sendfile(ends[1], memory, NULL, 1), EAGAIN);
  drain();
  say("sendfile");
}

static void sending_errors(void) {
  int reader = open("/proc/self/exe", O_RDONLY), append = memfd_create("append", 0);
  CHECK(reader >= 0 && append >= 0 && fcntl(append, F_SETFL, O_APPEND) == 0);
  off_t last = INT64_MAX, negative = -1, start = 0;
  off_t* bad = (off_t*)16;
  CHECK_FAILS(sendfile(memory, memory, &last, 8), EINVAL);
  CHECK_FAILS(sendfile(memory, memory, &negative, 8), EINVAL);
  CHECK_FAILS(sendfile(memory, memory, NULL, SIZE_MAX), EINVAL);
  CHECK_FAILS(sendfile(99, 99, bad, 8), EFAULT);
  CHECK_FAILS(sendfile(99, 99, &start, 8), EBADF);
  CHECK_FAILS(sendfile(memory, ends[0], &start, 8), ESPIPE);
  CHECK_FAILS(sendfile(99, memory, &negative, 8), EINVAL);
  CHECK_FAILS(sendfile(99, memory, &start, 8), EBADF);
  CHECK_FAILS(sendfile(reader, memory, &start, 8), EBADF);
  CHECK_FAILS(sendfile(append, memory, &start, 0), EINVAL);
  say("errors of sendfile");
  close(reader), close(append);
}

static void splicing(void) {
  loff_t offset = 5;
  CHECK_FAILS(splice(null, NULL, ends[1], NULL, 8, 0), EINVAL);
  CHECK_FAILS(splice(event, NULL, ends[1], NULL, 8, 0), EINVAL);
  CHECK_FAILS(splice(timer, NULL, ends[1], NULL, 8, 0), EINVAL);
  CHECK_EQUAL(splice(full, NULL, ends[1], NULL, 8, 0), 8);
  CHECK_EQUAL(splice(urandom, NULL, ends[1], NULL, 8, 0), 8);
  CHECK_EQUAL(splice(zero, &offset, ends[1], NULL, 8, 0), 8);
  CHECK_EQUAL(offset, 5);
  CHECK_EQUAL(splice(ends[0], NULL, urandom, NULL, 2, 0), 2);
  CHECK_EQUAL(splice(ends[0], NULL, zero, NULL, 2, 0), 2);
  CHECK_FAILS(splice(ends[0], NULL, full, NULL, 2, 0), EINVAL);
  CHECK_FAILS(splice(ends[0], NULL, event, NULL, 8, 0), EINVAL);
  drain();
  CHECK_FAILS(splice(ends[0], NULL, full, NULL, 2, 0), EINVAL);  // before it waits
  say("splice");
}

static void splicing_errors(void) {
  loff_t last = INT64_MAX;
  loff_t* bad = (loff_t*)16;
  CHECK_EQUAL(write(ends[1], "hello", 5), 5);
  CHECK_FAILS(splice(memory, &last, ends[1], NULL, 8, 0), EINVAL);
  CHECK_FAILS(splice(ends[0], NULL, memory, &last, 8, 0), EINVAL);
  CHECK_FAILS(splice(memory, NULL, ends[1], NULL, SIZE_MAX, 0), EINVAL);
  CHECK_FAILS(splice(99, bad, ends[1], NULL, 8, 0), EBADF);
  CHECK_FAILS(splice(ends[0], bad, ends[1], bad, 8, 0), ESPIPE);
  CHECK_FAILS(splice(memory, bad, memory, NULL, 8, 0), EFAULT);
  CHECK_FAILS(splice(memory, NULL, memory, bad, 8, 0), EFAULT);
  CHECK_FAILS(splice(memory, bad, ends[0], NULL, 8, 0), EFAULT);
  CHECK_FAILS(splice(event, bad, ends[1], NULL, 8, 0), EFAULT);
  last = 0;
  CHECK_FAILS(splice(event, &last, ends[1], NULL, 8, 0), EINVAL);
  drain();
  say("errors of splice");
}

static void names_for_all(void) {
  char name[64];
  snprintf(name, sizeof name, "/dev/shm/kinds-%d", getpid());
  CHECK_FAILS(linkat(ends[0], "", AT_FDCWD, name, AT_EMPTY_PATH), EXDEV);
  CHECK_FAILS(linkat(event, "", AT_FDCWD, name, AT_EMPTY_PATH), EXDEV);
  CHECK_FAILS(linkat(memory, "", AT_FDCWD, name, AT_EMPTY_PATH), EXDEV);
  CHECK_FAILS(linkat(ends[0], "", AT_FDCWD, "/dev/shm", AT_EMPTY_PATH), EEXIST);
  say("files that get no name");
}

// O_DIRECT and seals go by the file system: /dev/shm is a tmpfs everywhere.
static void tmpfs(void) {
  char name[64];
  snprintf(name, sizeof name, "/dev/shm/kinds-%d", getpid());
  int file = open(name, O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600);
  CHECK(file >= 0 && fcntl(file, F_SETFL, 0) == 0 && fcntl(file, F_SETFL, O_DIRECT) == 0);
  CHECK_FAILS(open("/dev/shm", O_RDONLY | O_DIRECT), EINVAL);
  CHECK_FAILS(open("/dev/null", O_RDWR | O_DIRECT), EINVAL);
  CHECK_FAILS(open("/proc/self", O_RDONLY | O_DIRECT), EINVAL);
  CHECK_FAILS(open("/proc/self/status", O_RDONLY | O_DIRECT), EINVAL);
  const int cannot[] = {folder, null, memory, event, set};
  for (int i = 0; i < 5; i++) CHECK_FAILS(fcntl(cannot[i], F_SETFL, O_DIRECT), EINVAL);
  CHECK(fcntl(ends[0], F_SETFL, O_DIRECT | O_NONBLOCK) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);

  CHECK_EQUAL(fcntl(file, F_GET_SEALS), F_SEAL_SEAL);
  CHECK_FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
  CHECK_FAILS(fcntl(file, F_ADD_SEALS, 1 << 20), EINVAL);
  CHECK_FAILS(fcntl(null, F_GET_SEALS), EINVAL);
  CHECK_FAILS(fcntl(null, F_ADD_SEALS, F_SEAL_SHRINK), EINVAL);
  CHECK_FAILS(fcntl(folder, F_GET_SEALS), EINVAL);
  close(file);
  CHECK(unlink(name) == 0);
  say("O_DIRECT and seals");
}

static void owners(void) {
  int fd = ends[0], path = open("/dev/shm", O_PATH), on = 1;
  CHECK_EQUAL(fcntl(fd, F_GETOWN), 0);
  CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
  CHECK_EQUAL(fcntl(fd, F_GETOWN), getpid());
  CHECK(fcntl(fd, F_SETOWN, -getpgrp()) == 0);
  struct f_owner_ex owner;
  CHECK(fcntl(fd, F_GETOWN_EX, &owner) == 0 && owner.type == F_OWNER_PGRP && owner.pid == getpgrp());
  CHECK_FAILS(fcntl(fd, F_SETOWN, 1 << 31), EINVAL);
  CHECK_FAILS(fcntl(fd, F_SETOWN, 0x3fffffff), ESRCH);
  owner = (struct f_owner_ex){F_OWNER_TID, getpid()};
  CHECK(fcntl(fd, F_SETOWN_EX, &owner) == 0);
  CHECK_EQUAL(fcntl(fd, F_GETOWN), getpid());
  owner.type = 9;
  CHECK_FAILS(fcntl(fd, F_SETOWN_EX, &owner), EINVAL);
  CHECK_FAILS(fcntl(fd, F_SETOWN_EX, (void*)16), EFAULT);
  CHECK_FAILS(fcntl(fd, F_GETOWN_EX, (void*)16), EFAULT);
  pid_t child = checked_fork();
  if (child == 0) _exit(0);
  CHECK(fcntl(fd, F_SETOWN, child) == 0);
  CHECK_EXITS(child, 0);
  CHECK_EQUAL(fcntl(fd, F_GETOWN), 0);  // it has gone
  CHECK_EQUAL(fcntl(fd, F_GETSIG), 0);
  CHECK(fcntl(fd, F_SETSIG, SIGUSR1) == 0);
  CHECK_EQUAL(fcntl(fd, F_GETSIG), SIGUSR1);
  CHECK_FAILS(fcntl(fd, F_SETSIG, 65), EINVAL);
  CHECK_FAILS(fcntl(fd, F_SETSIG, -1), EINVAL);
  CHECK_FAILS(fcntl(path, F_GETOWN), EBADF);
  CHECK_FAILS(fcntl(path, F_GET_SEALS), EBADF);
  CHECK_EQUAL(fcntl(path, F_GETFL) & O_PATH, O_PATH);
  close(path);
  // Files that tell nobody of anything take O_ASYNC and forget it.
  CHECK(fcntl(memory, F_SETFL, O_ASYNC) == 0 && fcntl(event, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
  CHECK_EQUAL(fcntl(event, F_GETFL), O_RDWR | O_NONBLOCK);
  CHECK_FAILS(ioctl(event, FIOASYNC, &on), ENOTTY);
  CHECK_FAILS(ioctl(event, FIOASYNC, (void*)16), EFAULT);
  on = 0;
  CHECK(ioctl(event, FIOASYNC, &on) == 0);
  say("owners");
}

int main(void) {
  open_all();
  positions();
  addresses();
  polled_or_not();
  sending();
  sending_errors();
  splicing();
  splicing_errors();
  names_for_all();
  tmpfs();
  owners();
  return 0;
}
