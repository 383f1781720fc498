// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes: order, back-pressure, atomic writes, end of file, broken pipes, readiness as poll, select and epoll
// see it, capacities; eventfd in the same sets.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "children.h"
#include "random.h"

enum { kCapacity = 65536, kAtomic = 4096 };

struct Pipe {
  int out, in;  // read end, write end
};

static struct Pipe make_pipe(int flags) {
  int ends[2];
  CHECK(pipe2(ends, flags) == 0);
  return (struct Pipe){ends[0], ends[1]};
}

static void close_pipe(struct Pipe pipe) {
  CHECK(close(pipe.out) == 0);
  CHECK(close(pipe.in) == 0);
}

static int bytes_in(int fd) {
  int bytes = -1;
  CHECK(ioctl(fd, FIONREAD, &bytes) == 0);
  return bytes;
}

static int readiness(int fd, int events) {
  struct pollfd one = {.fd = fd, .events = (short)events};
  CHECK(poll(&one, 1, 0) >= 0);
  return one.revents;
}

// Reads until the end, in pieces of changing size; the sum depends on every byte and its place.
static uint64_t drain(int fd, size_t* bytes, unsigned seed) {
  static char buffer[20000];
  struct Random random = {seed};
  uint64_t sum = 0;
  *bytes = 0;
  for (;;) {
    ssize_t got = read(fd, buffer, 1 + below(&random, sizeof buffer));
    CHECK(got >= 0);
    if (got == 0) return sum;
    for (ssize_t i = 0; i < got; i++) sum = sum * 31 + (uint8_t)buffer[i];
    *bytes += (size_t)got;
  }
}

static void basics(void) {
  struct Pipe pipe = make_pipe(0);
  char buffer[64];
  CHECK_EQUAL(bytes_in(pipe.out), 0);
  CHECK_EQUAL(write(pipe.in, "one", 3), 3);
  CHECK_EQUAL(write(pipe.in, "two", 3), 3);
  CHECK_EQUAL(write(pipe.in, "", 0), 0);  // no message: nothing to read
  CHECK_EQUAL(bytes_in(pipe.out), 6);
  CHECK_EQUAL(read(pipe.out, buffer, 2), 2);
  CHECK_EQUAL(read(pipe.out, buffer + 2, sizeof buffer - 2), 4);
  CHECK(memcmp(buffer, "onetwo", 6) == 0);
  struct iovec parts[3] = {{"a", 1}, {"", 0}, {"bcd", 3}};
  CHECK_EQUAL(writev(pipe.in, parts, 3), 4);
  parts[0] = (struct iovec){buffer, 3};
  parts[1] = (struct iovec){buffer + 10, 10};
  CHECK_EQUAL(readv(pipe.out, parts, 2), 4);
  CHECK(memcmp(buffer, "abc", 3) == 0 && buffer[10] == 'd');
  CHECK_FAILS(read(pipe.in, buffer, 1), EBADF);
  CHECK_FAILS(write(pipe.out, buffer, 1), EBADF);
  CHECK_FAILS(lseek(pipe.out, 0, SEEK_SET), ESPIPE);
  CHECK_FAILS(pread(pipe.out, buffer, 1, 0), ESPIPE);
  CHECK_FAILS(pwrite(pipe.in, buffer, 1, 0), ESPIPE);
  CHECK_FAILS(write(pipe.in, nowhere(), 1), EFAULT);
  CHECK_EQUAL(write(pipe.in, "x", 1), 1);
  CHECK_FAILS(read(pipe.out, nowhere(), 1), EFAULT);
  CHECK_FAILS(pipe2(nowhere(), 0), EFAULT);
  CHECK_FAILS(pipe2((int[2]){0}, 0x1), EINVAL);
  CHECK_EQUAL(fcntl(pipe.out, F_GETFL) & O_ACCMODE, O_RDONLY);
  CHECK_EQUAL(fcntl(pipe.in, F_GETFL) & O_ACCMODE, O_WRONLY);
  close_pipe(pipe);
  pipe = make_pipe(O_CLOEXEC | O_NONBLOCK);
  CHECK_EQUAL(fcntl(pipe.in, F_GETFD), FD_CLOEXEC);
  CHECK(fcntl(pipe.out, F_GETFL) & O_NONBLOCK);
  close_pipe(pipe);
  say("bytes come out in order");
}

static void without_blocking(void) {
  struct Pipe pipe = make_pipe(O_NONBLOCK);
  static char buffer[2 * kCapacity];
  CHECK_FAILS(read(pipe.out, buffer, 1), EAGAIN);
  CHECK_EQUAL(write(pipe.in, buffer, sizeof buffer), kCapacity);  // as much as fits
  CHECK_FAILS(write(pipe.in, buffer, 1), EAGAIN);
  CHECK_EQUAL(bytes_in(pipe.out), kCapacity);
  CHECK_EQUAL(readiness(pipe.in, POLLOUT), 0);
  CHECK_EQUAL(readiness(pipe.out, POLLIN), POLLIN);
  // Up to PIPE_BUF bytes are written whole or not at all.
  CHECK_EQUAL(read(pipe.out, buffer, kAtomic - 1), kAtomic - 1);
  CHECK_FAILS(write(pipe.in, buffer, kAtomic), EAGAIN);
  CHECK_EQUAL(read(pipe.out, buffer, 1), 1);
  CHECK_EQUAL(write(pipe.in, buffer, kAtomic), kAtomic);
  CHECK_EQUAL(read(pipe.out, buffer, sizeof buffer), kCapacity);
  CHECK_FAILS(read(pipe.out, buffer, 1), EAGAIN);
  // O_NONBLOCK is of the open file, not of the descriptor, and can be taken back.
  int twin = dup(pipe.out);
  CHECK(fcntl(twin, F_SETFL, 0) == 0);
  CHECK_EQUAL(fcntl(pipe.out, F_GETFL) & O_NONBLOCK, 0);
  CHECK(fcntl(pipe.in, F_GETFL) & O_NONBLOCK);
  CHECK(close(twin) == 0);
  close_pipe(pipe);
  say("O_NONBLOCK: EAGAIN, and part of what was to be written");
}

static void capacity(void) {
  struct Pipe pipe = make_pipe(O_NONBLOCK);
  static char buffer[4 * kCapacity];
  CHECK_EQUAL(fcntl(pipe.in, F_GETPIPE_SZ), kCapacity);
  CHECK_EQUAL(fcntl(pipe.out, F_SETPIPE_SZ, 5000), 8192);  // pages, and a power of two of them
  CHECK_EQUAL(fcntl(pipe.in, F_GETPIPE_SZ), 8192);
  CHECK_EQUAL(write(pipe.in, buffer, sizeof buffer), 8192);
  CHECK_FAILS(fcntl(pipe.in, F_SETPIPE_SZ, kPage), EBUSY);  // what is in it does not fit
  CHECK_EQUAL(fcntl(pipe.in, F_SETPIPE_SZ, 4 * kCapacity), 4 * kCapacity);
  CHECK_EQUAL(write(pipe.in, buffer, sizeof buffer), 4 * kCapacity - 8192);
  CHECK_EQUAL(bytes_in(pipe.out), 4 * kCapacity);
  CHECK_FAILS(fcntl(pipe.in, F_SETPIPE_SZ, -1), EINVAL);
  CHECK_FAILS(fcntl(0, F_GETPIPE_SZ), EBADF);
  close_pipe(pipe);
  say("capacities");
}

// More than fits goes through, however slowly the reader reads, and the writer waits for room.
static void back_pressure(void) {
  enum { kBytes = 5 * kCapacity + 123 };
  struct Pipe pipe = make_pipe(0);
  char* bytes = map_anonymous(kBytes, PROT_READ | PROT_WRITE);
  struct Random random = {7};
  uint64_t expected = 0;
  for (int i = 0; i < kBytes; i++) {
    bytes[i] = (char)next_random(&random);
    expected = expected * 31 + (uint8_t)bytes[i];
  }
  pid_t writer = checked_fork();
  if (writer == 0) {
    CHECK(close(pipe.out) == 0);
    CHECK_EQUAL(write(pipe.in, bytes, kBytes), kBytes);  // one call, whole
    _exit(0);
  }
  CHECK(close(pipe.in) == 0);
  struct pollfd one = {.fd = pipe.out, .events = POLLIN};
  while (bytes_in(pipe.out) < kCapacity) CHECK_EQUAL(poll(&one, 1, -1), 1);  // until it is full
  CHECK_EQUAL(waitpid(writer, NULL, WNOHANG), 0);
  size_t got;
  CHECK_EQUAL(drain(pipe.out, &got, 1), expected);
  CHECK_EQUAL(got, kBytes);
  CHECK_EXITS(writer, 0);
  CHECK(close(pipe.out) == 0);
  CHECK(munmap(bytes, kBytes) == 0);
  say("a writer waits for its reader");
}

// Several write records of up to PIPE_BUF bytes into one pipe: none is torn, and each writer's are in order.
static void atomic_writes(void) {
  enum { kWriters = 4, kRecords = 60 };
  struct Record {
    uint16_t bytes;
    uint8_t writer, number;
    uint8_t rest[kAtomic - 4];
  } record;
  struct Pipe pipe = make_pipe(0);
  pid_t writers[kWriters];
  for (int w = 0; w < kWriters; w++) {
    writers[w] = checked_fork();
    if (writers[w] != 0) continue;
    struct Random random = {(uint64_t)w};
    for (int n = 0; n < kRecords; n++) {
      uint16_t bytes = (uint16_t)(n % 3 == 0 ? kAtomic : 4 + below(&random, kAtomic - 3));
      record = (struct Record){.bytes = bytes, .writer = (uint8_t)w, .number = (uint8_t)n};
      memset(record.rest, w * 64 + n, sizeof record.rest);
      CHECK_EQUAL(write(pipe.in, &record, bytes), bytes);
    }
    _exit(0);
  }
  CHECK(close(pipe.in) == 0);
  FILE* stream = fdopen(pipe.out, "r");
  int next[kWriters] = {0};
  while (fread(&record, 4, 1, stream) == 1) {
    CHECK(record.writer < kWriters && record.bytes >= 4 && record.bytes <= kAtomic);
    CHECK_EQUAL(record.number, next[record.writer]++);
    if (record.bytes > 4) CHECK_EQUAL(fread(record.rest, record.bytes - 4u, 1, stream), 1);
    for (int i = 0; i < record.bytes - 4; i++)
      CHECK_EQUAL(record.rest[i], (uint8_t)(record.writer * 64 + record.number));
  }
  for (int w = 0; w < kWriters; w++) {
    CHECK_EQUAL(next[w], kRecords);
    CHECK_EXITS(writers[w], 0);
  }
  fclose(stream);
  say("%d writers, %d records each: none torn, none lost", kWriters, kRecords);
}

static volatile int broken;
static void count_broken(int signal) { broken += signal == SIGPIPE; }

static void ends(void) {
  struct Pipe pipe = make_pipe(0);
  char buffer[8];
  // The end of the file comes when the last writer is gone, and after what it has left.
  int twin = dup(pipe.in);
  CHECK_EQUAL(write(pipe.in, "abc", 3), 3);
  CHECK(close(pipe.in) == 0);
  CHECK_EQUAL(readiness(pipe.out, POLLIN), POLLIN);
  CHECK(close(twin) == 0);
  CHECK_EQUAL(readiness(pipe.out, POLLIN), POLLIN | POLLHUP);
  CHECK_EQUAL(read(pipe.out, buffer, 8), 3);
  CHECK_EQUAL(readiness(pipe.out, POLLIN), POLLHUP);
  for (int i = 0; i < 2; i++) CHECK_EQUAL(read(pipe.out, buffer, 8), 0);
  CHECK(close(pipe.out) == 0);

  pipe = make_pipe(0);
  CHECK_EQUAL(readiness(pipe.in, POLLOUT), POLLOUT);
  CHECK(close(pipe.out) == 0);
  CHECK_EQUAL(readiness(pipe.in, POLLOUT), POLLOUT | POLLERR);
  CHECK(signal(SIGPIPE, count_broken) != SIG_ERR);
  CHECK_FAILS(write(pipe.in, "x", 1), EPIPE);
  CHECK_EQUAL(broken, 1);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  CHECK_FAILS(write(pipe.in, "x", 1), EPIPE);
  CHECK_EQUAL(broken, 1);
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  pid_t pid = checked_fork();
  if (pid == 0) {
    write(pipe.in, "x", 1) == 1 ? _exit(1) : _exit(2);
  }
  CHECK_KILLED(pid, SIGPIPE);
  CHECK(close(pipe.in) == 0);

  // A writer that waits for room is told when the reader goes.
  pipe = make_pipe(0);
  pid = checked_fork();
  if (pid == 0) {
    CHECK(close(pipe.out) == 0);
    static char much[2 * kCapacity];
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_EQUAL(write(pipe.in, much, sizeof much), kCapacity);  // what went in before
    CHECK_FAILS(write(pipe.in, much, 1), EPIPE);
    _exit(0);
  }
  struct pollfd one = {.fd = pipe.out, .events = POLLIN};
  while (bytes_in(pipe.out) < kCapacity) CHECK_EQUAL(poll(&one, 1, -1), 1);
  CHECK(close(pipe.in) == 0);
  CHECK(close(pipe.out) == 0);
  CHECK_EXITS(pid, 0);
  say("the end of a file, and broken pipes");
}

// A child holds the reader up until somebody waits for it.
static void waits(void) {
  struct Pipe pipe = make_pipe(0), unused = make_pipe(0);
  struct Gate go = make_gate();
  char buffer[8];
  for (int how = 0; how < 6; how++) {
    pid_t pid = checked_fork();
    if (pid == 0) {
      pass_gate(go);
      usleep(2000);
      CHECK_EQUAL(write(pipe.in, "hello", 5), 5);
      _exit(0);
    }
    struct pollfd two[2] = {{.fd = unused.out, .events = POLLIN}, {.fd = pipe.out, .events = POLLIN}};
    struct timespec zero = {0, 0}, soon = {0, 1000000}, late = {60, 0};
    struct timeval late_too = {60, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(unused.out, &set);
    FD_SET(pipe.out, &set);
    int highest = pipe.out > unused.out ? pipe.out : unused.out;
    CHECK_EQUAL(poll(two, 2, 0), 0);
    CHECK_EQUAL(ppoll(two, 2, how < 3 ? &soon : &zero, NULL), 0);
    open_gate(go);
    switch (how) {
      case 0:
        CHECK_EQUAL(poll(two, 2, -1), 1);
        break;
      case 1:
        CHECK_EQUAL(poll(two, 2, 60000), 1);
        break;
      case 2:
        CHECK_EQUAL(ppoll(two, 2, &late, NULL), 1);
        break;
      case 3:
        CHECK_EQUAL(select(highest + 1, &set, NULL, NULL, &late_too), 1);
        break;
      case 4:
        CHECK_EQUAL(pselect(highest + 1, &set, NULL, NULL, NULL, NULL), 1);
        break;
      default:
        CHECK_EQUAL(read(pipe.out, buffer, 8), 5);
        break;  // read itself waits
    }
    if (how < 3) CHECK(two[0].revents == 0 && two[1].revents == POLLIN);
    if (how == 3 || how == 4) CHECK(!FD_ISSET(unused.out, &set) && FD_ISSET(pipe.out, &set));
    if (how < 5) CHECK_EQUAL(read(pipe.out, buffer, 8), 5);
    CHECK_EXITS(pid, 0);
  }
  struct pollfd odd[3] = {{.fd = -1, .events = POLLIN}, {.fd = 999, .events = POLLIN}, {.fd = 0}};
  CHECK_EQUAL(poll(odd, 2, -1), 1);
  CHECK(odd[0].revents == 0 && odd[1].revents == POLLNVAL);
  CHECK_EQUAL(poll(NULL, 0, 1), 0);
  fd_set bad;
  FD_ZERO(&bad);
  FD_SET(unused.out, &bad);
  close_pipe(unused);
  CHECK_FAILS(select(unused.out + 1, &bad, NULL, NULL, NULL), EBADF);
  close_pipe(pipe), remove_gate(go);
  say("poll, ppoll, select, pselect and read wait");
}

static void events(void) {
  int fd = eventfd(3, EFD_NONBLOCK), semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  uint64_t value;
  CHECK(fd >= 0 && semaphore >= 0);
  CHECK_EQUAL(readiness(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
  CHECK_EQUAL(read(fd, &value, 8), 8);
  CHECK_EQUAL(value, 3);
  CHECK_FAILS(read(fd, &value, 8), EAGAIN);
  CHECK_EQUAL(readiness(fd, POLLIN | POLLOUT), POLLOUT);
  for (value = 5; value < 7; value++) CHECK_EQUAL(write(fd, &value, 8), 8);
  CHECK_EQUAL(read(fd, &value, 8), 8);
  CHECK_EQUAL(value, 11);
  value = UINT64_MAX - 1;
  CHECK_EQUAL(write(fd, &value, 8), 8);
  CHECK_EQUAL(readiness(fd, POLLIN | POLLOUT), POLLIN);
  value = 1;
  CHECK_FAILS(write(fd, &value, 8), EAGAIN);
  value = UINT64_MAX;
  CHECK_FAILS(write(fd, &value, 8), EINVAL);
  CHECK_FAILS(read(fd, &value, 7), EINVAL);
  CHECK_EQUAL(read(fd, &value, 8), 8);
  // Parts are one message to a reader, and one each from a writer.
  value = 7;
  struct iovec halves[2] = {{&value, 4}, {(char*)&value + 4, 4}};
  CHECK_FAILS(writev(fd, halves, 2), EINVAL);
  CHECK_EQUAL(writev(fd, (struct iovec[]){{&value, 8}, {&value, 8}}, 2), 16);
  CHECK_FAILS(readv(fd, halves, 1), EINVAL);
  CHECK_EQUAL(readv(fd, halves, 2), 8);
  CHECK_EQUAL(value, 14);
  CHECK_FAILS(pread(fd, &value, 8, 0), ESPIPE);
  CHECK_EQUAL(lseek(fd, 100, SEEK_SET), 0);
  for (int i = 0; i < 2; i++) {
    CHECK_EQUAL(read(semaphore, &value, 8), 8);
    CHECK_EQUAL(value, 1);
  }
  CHECK_FAILS(read(semaphore, &value, 8), EAGAIN);
  CHECK(close(fd) == 0 && close(semaphore) == 0);

  int there = eventfd(0, 0), back = eventfd(0, 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    for (int i = 0; i < 50; i++) {
      CHECK_EQUAL(read(there, &value, 8), 8);
      value += 1;
      CHECK_EQUAL(write(back, &value, 8), 8);
    }
    _exit(0);
  }
  for (uint64_t i = 1; i <= 50; i++) {
    CHECK_EQUAL(write(there, &i, 8), 8);
    CHECK_EQUAL(read(back, &value, 8), 8);
    CHECK_EQUAL(value, i + 1);
  }
  CHECK_EXITS(pid, 0);
  CHECK(close(there) == 0 && close(back) == 0);
  say("eventfd");
}

static int ready(int set, int timeout, int* data) {
  struct epoll_event found[4];
  int count = epoll_wait(set, found, 4, timeout);
  CHECK(count >= 0);
  *data = 0;
  for (int i = 0; i < count; i++) *data |= found[i].data.fd;
  return count;
}

static void epoll_sets(void) {
  int set = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_NONBLOCK), data;
  struct Pipe pipe = make_pipe(O_NONBLOCK);
  char buffer[8];
  CHECK(set >= 0);
  struct epoll_event wanted = {.events = EPOLLIN, .data.fd = 1};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, pipe.out, &wanted) == 0);
  CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, pipe.out, &wanted), EEXIST);
  CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_MOD, event, &wanted), ENOENT);
  CHECK_FAILS(epoll_ctl(set, EPOLL_CTL_ADD, 999, &wanted), EBADF);
  CHECK_FAILS(epoll_ctl(pipe.out, EPOLL_CTL_ADD, event, &wanted), EINVAL);
  wanted = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = 2};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted) == 0);
  CHECK_EQUAL(ready(set, 0, &data), 0);
  CHECK_EQUAL(ready(set, 1, &data), 0);
  CHECK_EQUAL(write(pipe.in, "ab", 2), 2);
  uint64_t one = 1;
  CHECK_EQUAL(write(event, &one, 8), 8);
  CHECK_EQUAL(ready(set, -1, &data), 2);
  CHECK_EQUAL(data, 3);
  CHECK_EQUAL(ready(set, 0, &data), 1);  // the level stays, the edge is over
  CHECK_EQUAL(data, 1);
  CHECK_EQUAL(write(event, &one, 8), 8);  // another edge, though it was readable before
  CHECK_EQUAL(ready(set, 0, &data), 2);
  CHECK_EQUAL(read(pipe.out, buffer, 8), 2);
  CHECK_EQUAL(ready(set, 0, &data), 0);
  wanted = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = 4};
  CHECK(epoll_ctl(set, EPOLL_CTL_MOD, pipe.out, &wanted) == 0);
  CHECK_EQUAL(write(pipe.in, "ab", 2), 2);
  CHECK_EQUAL(ready(set, 0, &data), 1);
  CHECK_EQUAL(data, 4);
  CHECK_EQUAL(ready(set, 0, &data), 0);  // once
  CHECK(epoll_ctl(set, EPOLL_CTL_MOD, pipe.out, &wanted) == 0);
  CHECK_EQUAL(ready(set, 0, &data), 1);
  CHECK(epoll_ctl(set, EPOLL_CTL_DEL, event, NULL) == 0);
  CHECK(epoll_ctl(set, EPOLL_CTL_MOD, pipe.out, &wanted) == 0);
  CHECK_EQUAL(read(pipe.out, buffer, 8), 2);
  pid_t pid = checked_fork();
  if (pid == 0) {
    usleep(2000);
    CHECK_EQUAL(write(pipe.in, "cd", 2), 2);
    _exit(0);
  }
  CHECK_EQUAL(ready(set, -1, &data), 1);
  CHECK_EQUAL(data, 4);
  CHECK_EXITS(pid, 0);
  close_pipe(pipe);  // leaves the set with its last descriptor
  CHECK_EQUAL(ready(set, 0, &data), 0);
  CHECK(close(event) == 0 && close(set) == 0);
  say("epoll");
}

// A read that took pages and then met memory that is not there has made room all the same.
static void reads_cut_short(void) {
  struct Pipe pipe = make_pipe(0);
  static char bytes[kCapacity];
  CHECK_EQUAL(write(pipe.in, bytes, kCapacity), kCapacity);
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK_EQUAL(write(pipe.in, bytes, 10), 10);
    _exit(0);
  }
  usleep(2000);
  char* one_page = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(one_page != MAP_FAILED && munmap(one_page + kPage, kPage) == 0);
  CHECK_EQUAL(read(pipe.out, one_page, 2 * kPage), kPage);
  CHECK_EXITS(pid, 0);
  CHECK(munmap(one_page, kPage) == 0);
  close_pipe(pipe);
  say("a read cut short wakes writers");
}

// Pages of a pipe are written whole or not at all, and read as far as there is memory for them.
static void memory_that_ends(void) {
  struct Pipe pipe = make_pipe(O_NONBLOCK);
  char* memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  char* end = memory + 3 * kPage;
  CHECK(munmap(end, kPage) == 0);
  CHECK_FAILS(write(pipe.in, end - 96, 200), EFAULT);
  struct iovec parts[3] = {{memory, 10}, {end - 6, 20}, {memory, 10}};
  CHECK_FAILS(writev(pipe.in, parts, 3), EFAULT);
  CHECK_EQUAL(bytes_in(pipe.out), 0);
  CHECK_EQUAL(write(pipe.in, end - kPage - 5, kPage + 100), kPage);
  CHECK_EQUAL(bytes_in(pipe.out), kPage);
  parts[1].iov_len = 6;
  CHECK_EQUAL(writev(pipe.in, parts, 3), 26);
  CHECK_FAILS(writev(pipe.in, (struct iovec[]){{memory, 3}, {end - 6, 20}}, 2),
              EFAULT);  // where there is room
  CHECK_EQUAL(bytes_in(pipe.out), kPage + 26);
  CHECK_EQUAL(readv(pipe.out, (struct iovec[]){{memory, kPage}, {end - 6, 20}}, 2), kPage);
  CHECK_FAILS(readv(pipe.out, (struct iovec[]){{memory, 3}, {end - 6, 20}}, 2), EFAULT);
  CHECK_EQUAL(bytes_in(pipe.out), 26);  // nothing is lost
  CHECK_EQUAL(readv(pipe.out, (struct iovec[]){{memory, 3}, {end - 6, 6}, {NULL, 0}, {memory, 40}}, 4), 26);
  CHECK_FAILS(writev(pipe.in, (struct iovec[]){{memory, 3}, {(void*)-4096l, 1}}, 2), EFAULT);
  CHECK(munmap(memory, 3 * kPage) == 0);
  close_pipe(pipe);
  say("memory that ends within a write or read");
}

static short polled(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  CHECK(poll(&entry, 1, 0) >= 0);
  return entry.revents;
}

// What was told and stays as it is ends no wait; a set is a file that can be polled, and be in another set.
static void epoll_in_epoll(void) {
  int inner = epoll_create1(0), outer = epoll_create1(0), event = eventfd(0, EFD_NONBLOCK), data;
  uint64_t one = 1;
  struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.fd = 1};
  CHECK(epoll_ctl(inner, EPOLL_CTL_ADD, event, &wanted) == 0);
  CHECK_EQUAL(polled(inner), 0);
  CHECK_EQUAL(write(event, &one, 8), 8);
  CHECK_EQUAL(polled(inner), POLLIN);
  CHECK_EQUAL(ready(inner, -1, &data), 1);
  CHECK_EQUAL(ready(inner, 5, &data), 0);  // sleeps
  CHECK_EQUAL(polled(inner), 0);
  wanted = (struct epoll_event){.events = EPOLLIN, .data.fd = 2};
  CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &wanted) == 0);
  CHECK_FAILS(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &wanted), ELOOP);
  CHECK_EQUAL(ready(outer, 5, &data), 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    usleep(2000);
    CHECK_EQUAL(write(event, &one, 8), 8);
    _exit(0);
  }
  CHECK_EQUAL(ready(outer, -1, &data), 1);
  CHECK_EQUAL(data, 2);
  CHECK_EQUAL(ready(inner, 0, &data), 1);
  CHECK_EQUAL(ready(outer, 0, &data), 0);
  CHECK_EXITS(pid, 0);
  close(event);
  close(inner);
  CHECK_EQUAL(ready(outer, 0, &data), 0);
  close(outer);
  say("epoll in epoll");
}

static void be_stage(int stage, int input, int output, size_t all) {
  static uint8_t buffer[10000];
  size_t size = 1000u * (unsigned)(stage + 1) + 777, total = 0;
  uint8_t next = 0;
  for (;;) {
    ssize_t bytes =
        stage == 0 ? (ssize_t)(all - total < size ? all - total : size) : read(input, buffer, size);
    CHECK(bytes >= 0);
    if (bytes == 0) break;
    if (stage == 0) {
      for (ssize_t i = 0; i < bytes; i++) buffer[i] = next = next == 250 ? 0 : next + 1;
    } else {
      for (ssize_t i = 0; i < bytes; i++) buffer[i] = (uint8_t)(buffer[i] + stage);
    }
    CHECK_EQUAL(write(output, buffer, (size_t)bytes), bytes);
    total += (size_t)bytes;
  }
  CHECK_EQUAL(total, all);
}

// Five processes: one makes bytes, the others add their number to each and hand it on.
static void pipeline(void) {
  enum { kStages = 5, kBytes = 1 << 20 };
  int input = -1;
  pid_t pids[kStages];
  for (int stage = 0; stage < kStages; stage++) {
    struct Pipe next = make_pipe(0);
    pids[stage] = checked_fork();
    if (pids[stage] == 0) {
      CHECK(close(next.out) == 0);
      be_stage(stage, input, next.in, kBytes);
      _exit(stage);
    }
    CHECK(close(next.in) == 0);
    if (input >= 0) CHECK(close(input) == 0);
    input = next.out;
  }
  uint64_t expected = 0;
  uint8_t value = 0;
  for (int i = 0; i < kBytes; i++) {
    value = value == 250 ? 0 : value + 1;
    expected = expected * 31 + (uint8_t)(value + 1 + 2 + 3 + 4);
  }
  size_t got;
  CHECK_EQUAL(drain(input, &got, 3), expected);
  CHECK_EQUAL(got, kBytes);
  for (int stage = 0; stage < kStages; stage++) CHECK_EXITS(pids[stage], stage);
  CHECK(close(input) == 0);
  say("a pipeline of %d processes moves %d bytes: checksum %016llx", kStages, kBytes,
      (unsigned long long)expected);
}

int main(void) {
  basics();
  without_blocking();
  capacity();
  back_pressure();
  atomic_writes();
  ends();
  waits();
  events();
  epoll_sets();
  epoll_in_epoll();
  reads_cut_short();
  memory_that_ends();
  pipeline();
  return 0;
}
