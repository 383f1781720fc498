// SPDX-License-Identifier: GPL-2.0-or-later
//
// io_uring: its shared memory, its operations, requests in flight, registered buffers and files.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "ring.h"

enum { kNow = 0, kOwnPosition = -1 };

static void setup_errors(void) {
  struct io_uring_params params = {0};
  CHECK_FAILS(ring_setup(4, NULL), EFAULT);
  CHECK_FAILS(ring_setup(0, &params), EINVAL);
  CHECK_FAILS(ring_setup(32769, &params), EINVAL);
  params.resv[1] = 1;
  CHECK_FAILS(ring_setup(4, &params), EINVAL);
  params = (struct io_uring_params){.flags = 1u << 31};
  CHECK_FAILS(ring_setup(4, &params), EINVAL);
  params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE};
  CHECK_FAILS(ring_setup(4, &params), EINVAL);
  params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = 2};
  CHECK_FAILS(ring_setup(4, &params), EINVAL);
  params = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
  int fd = ring_setup(100000, &params);
  CHECK(fd >= 0);
  CHECK_EQUAL(params.sq_entries, 32768);
  CHECK_EQUAL(params.cq_entries, 65536);
  CHECK(params.features & IORING_FEAT_SINGLE_MMAP && params.features & IORING_FEAT_NODROP);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  close(fd);
  params = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE, .cq_entries = 20};
  fd = ring_setup(5, &params);
  CHECK_EQUAL(params.sq_entries, 8);
  CHECK_EQUAL(params.cq_entries, 32);

  CHECK_FAILS(mmap(NULL, kPage, PROT_READ, MAP_SHARED, fd, 0x18000000), ENOMEM);
  char byte;
  CHECK_FAILS(read(fd, &byte, 1), EINVAL);
  CHECK_FAILS(ring_enter(fd, 0, 0, 1u << 20), EINVAL);
  CHECK_FAILS(ring_enter(-1, 0, 0, 0), EBADF);
  CHECK_FAILS(ring_enter(1000, 1, 0, 0), EBADF);
  CHECK_FAILS(ring_enter(0, 1, 0, 0), EOPNOTSUPP);
  CHECK_FAILS(ring_register(fd, 1000, NULL, 0), EINVAL);
  CHECK_FAILS(ring_register(0, IORING_REGISTER_BUFFERS, NULL, 0), EOPNOTSUPP);
  CHECK_EQUAL(ring_enter(fd, 0, 0, IORING_ENTER_GETEVENTS), 0);
  CHECK_EQUAL(ring_enter(fd, 10, 5, IORING_ENTER_GETEVENTS), 0);  // nothing to submit: nobody waits
  close(fd);
}

// The kernel's memory: it is as long as it is, and nobody executes it.
static void mappings(void) {
  struct io_uring_params params = {0};
  int fd = ring_setup(4, &params);
  char* ring = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
  CHECK(ring != MAP_FAILED);
  CHECK_FAILS(mremap(ring, kPage, 2 * kPage, 0), EFAULT);
  CHECK_FAILS(mremap(ring, kPage, 2 * kPage, MREMAP_MAYMOVE), EFAULT);
  CHECK_FAILS(mremap(ring, 0, kPage, MREMAP_MAYMOVE), EFAULT);
  CHECK_FAILS(mremap(ring, kPage, kPage, MREMAP_MAYMOVE | 4), EINVAL);  // MREMAP_DONTUNMAP
  CHECK(mremap(ring, kPage, kPage, MREMAP_MAYMOVE) == ring);
  CHECK_FAILS(mprotect(ring, kPage, PROT_READ | PROT_EXEC), EACCES);
  CHECK_FAILS(mmap(NULL, kPage, PROT_READ | PROT_EXEC, MAP_SHARED, fd, IORING_OFF_SQES), EPERM);
  CHECK_FAILS(mmap(NULL, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, IORING_OFF_SQES), EPERM);
  CHECK(mprotect(ring, kPage, PROT_READ) == 0);
  CHECK(munmap(ring, kPage) == 0 && close(fd) == 0);
}

static void nops(void) {
  struct Ring ring = ring_make(4, 0, 0);
  for (int i = 0; i < 4; ++i) ring_entry(&ring, IORING_OP_NOP, -1, 100 + (unsigned)i);
  CHECK_EQUAL(ring_submit(&ring, 0), 4);
  CHECK_EQUAL(ring_ready(&ring), 4);
  CHECK_EQUAL(*ring.sq_head, 4);
  for (unsigned i = 0; i < 4; ++i) RING_EXPECT(&ring, 100 + i, 0);

  // Completions that find no room are kept.
  for (int round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 4; ++i) ring_entry(&ring, IORING_OP_NOP, -1, (unsigned)round * 4 + i);
    CHECK_EQUAL(ring_submit(&ring, 0), 4);
  }
  CHECK_EQUAL(ring_ready(&ring), 8);
  CHECK(*ring.sq_flags & IORING_SQ_CQ_OVERFLOW);
  for (unsigned i = 0; i < 12; ++i) RING_EXPECT(&ring, i, 0);
  CHECK(!(*ring.sq_flags & IORING_SQ_CQ_OVERFLOW));

  // An index that is none; entries that are wrong end the submission.
  ring_entry(&ring, IORING_OP_NOP, -1, 1);
  ring.sq_array[*ring.sq_head & 3] = 77;
  CHECK_EQUAL(ring_submit(&ring, 0), 0);
  CHECK_EQUAL(*ring.sq_dropped, 1);
  ring.filled = 0;
  ring_entry(&ring, 250, -1, 2);
  ring_entry(&ring, IORING_OP_NOP, -1, 3);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  RING_EXPECT(&ring, 2, -EINVAL);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  RING_EXPECT(&ring, 3, 0);
  ring_entry(&ring, IORING_OP_NOP, -1, 4)->flags = 0x80;
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  RING_EXPECT(&ring, 4, -EINVAL);
  ring_entry(&ring, IORING_OP_NOP, -1, 5)->ioprio = 1;
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  RING_EXPECT(&ring, 5, -EINVAL);
  ring_entry(&ring, IORING_OP_NOP, -1, 6)->flags = IOSQE_CQE_SKIP_SUCCESS;
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK_EQUAL(ring_ready(&ring), 0);
  ring_free(&ring);
}

// All parts of a request are one packet of a pipe, and one read of an eventfd.
static void messages(int pipe_flags) {
  struct Ring ring = ring_make(8, 0, 0);
  int fds[2], event = eventfd(5, 0);
  static char bytes[2 * kPage];
  struct iovec parts[3] = {{bytes, 30}, {bytes, 5}, {bytes + kPage - 100, 4500}};
  CHECK(pipe2(fds, O_DIRECT | O_NONBLOCK) == 0 && fcntl(fds[0], F_SETFL, pipe_flags) == 0);
  ring_transfer(&ring, IORING_OP_WRITEV, fds[1], parts, 3, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 1, 4535);
  CHECK_EQUAL(read(fds[0], bytes, sizeof bytes), kPage);
  CHECK_EQUAL(read(fds[0], bytes, sizeof bytes), 439);
  parts[0].iov_len = parts[1].iov_len = 100;
  for (int round = 0; round < 2; ++round) {  // at once, and in flight
    if (round == 0) CHECK_EQUAL(write(fds[1], bytes, 300), 300);
    ring_transfer(&ring, IORING_OP_READV, fds[0], parts, 3, 0, 2);
    CHECK_EQUAL(ring_submit(&ring, 0), 1);
    if (round == 1) CHECK_EQUAL(write(fds[1], bytes, 300), 300);
    CHECK_EQUAL(ring_enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS), 0);
    RING_EXPECT(&ring, 2, 300);
  }
  uint64_t value = 0;
  struct iovec halves[2] = {{&value, 4}, {(char*)&value + 4, 4}};
  for (int round = 0; round < 2; ++round) {
    ring_transfer(&ring, IORING_OP_READV, event, halves, 2, 0, 3);
    CHECK_EQUAL(ring_submit(&ring, 0), 1);
    if (round == 1) CHECK_EQUAL(write(event, &(uint64_t){6}, 8), 8);
    CHECK_EQUAL(ring_enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS), 0);
    RING_EXPECT(&ring, 3, 8);
    CHECK_EQUAL(value, (unsigned)round + 5);
  }
  close(fds[0]), close(fds[1]), close(event);
  ring_free(&ring);
}

static void all_messages(void) {
  messages(O_NONBLOCK);
  messages(O_NONBLOCK | O_DIRECT);  // by the frames
}

static void files(void) {
  struct Ring ring = ring_make(8, 0, 0);
  int file = memfd_create("ring", 0);
  char text[32] = "", other[8] = "";
  ring_transfer(&ring, IORING_OP_WRITE, file, "hello, ring", 11, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 1, 11);
  ring_transfer(&ring, IORING_OP_READ, file, text, sizeof text, 7, 2);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 2, 4);
  CHECK(strcmp(text, "ring") == 0);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 0);

  ring_transfer(&ring, IORING_OP_WRITE, file, "!", 1, 0, 3)->rw_flags = 0x10;  // RWF_APPEND
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 3, 1);
  CHECK_EQUAL(pread(file, other, 8, 11), 1);
  CHECK(other[0] == '!' && ftruncate(file, 11) == 0);

  // At the file's own position.
  ring_transfer(&ring, IORING_OP_READ, file, text, 5, (uint64_t)kOwnPosition, 3);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 3, 5);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 5);

  struct iovec parts[3] = {{text, 3}, {NULL, 0}, {other, 4}};
  ring_transfer(&ring, IORING_OP_READV, file, parts, 3, 1, 4);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  memset(parts, 0, sizeof parts);
  RING_EXPECT(&ring, 4, 7);
  CHECK(memcmp(text, "ell", 3) == 0 && strcmp(other, "o, r") == 0);
  parts[0] = (struct iovec){(char*)"HELLO", 5};
  parts[1] = (struct iovec){(char*)"!", 1};
  ring_transfer(&ring, IORING_OP_WRITEV, file, parts, 2, 0, 5);
  ring_entry(&ring, IORING_OP_FSYNC, file, 6);
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT_ALL(&ring, 5, 6, 0);
  CHECK(pread(file, text, 11, 0) == 11 && memcmp(text, "HELLO! ring", 11) == 0);

  // Errors.
  int reading = open("/proc/self/exe", O_RDONLY);
  ring_transfer(&ring, IORING_OP_READ, -1, text, 1, 0, 10);
  ring_transfer(&ring, IORING_OP_WRITE, reading, text, 1, 0, 11);
  ring_transfer(&ring, IORING_OP_READ, file, (void*)16, 1, 0, 12);
  ring_transfer(&ring, IORING_OP_READ_FIXED, file, text, 1, 0, 13);
  ring_transfer(&ring, IORING_OP_READ, file, text, 1, 100, 14);
  ring_entry(&ring, IORING_OP_NOP, 0, 15);
  CHECK_EQUAL(ring_submit(&ring, 6), 6);
  RING_EXPECT_ALL(&ring, 10, -EBADF, -EBADF, -EFAULT, -EFAULT, 0, 0);
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  ring_entry(&ring, IORING_OP_FSYNC, pipe_fds[0], 16);
  ring_entry(&ring, IORING_OP_FSYNC, file, 17)->addr = 1;
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT_ALL(&ring, 16, -EINVAL, -EINVAL);

  // Links: one after the other; a failure ends it.
  ring_transfer(&ring, IORING_OP_WRITE, file, "abc", 3, 20, 20)->flags = IOSQE_IO_LINK;
  ring_transfer(&ring, IORING_OP_READ, file, text, 3, 20, 21)->flags = IOSQE_IO_LINK;
  ring_transfer(&ring, IORING_OP_READ, file, text, 3, 22, 22)->flags = IOSQE_IO_LINK;  // short
  ring_entry(&ring, IORING_OP_NOP, -1, 23)->flags = IOSQE_IO_LINK;
  ring_entry(&ring, IORING_OP_NOP, -1, 24);
  ring_entry(&ring, IORING_OP_NOP, -1, 25);
  CHECK_EQUAL(ring_submit(&ring, 6), 6);
  RING_EXPECT_ALL(&ring, 20, 3, 3, 1, -ECANCELED, -ECANCELED, 0);
  ring_entry(&ring, IORING_OP_FSYNC, -1, 30)->flags = IOSQE_IO_HARDLINK;
  ring_entry(&ring, IORING_OP_NOP, -1, 31);
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT(&ring, 30, -EBADF);
  RING_EXPECT(&ring, 31, 0);
  ring_entry(&ring, IORING_OP_NOP, -1, 32)->flags = IOSQE_IO_LINK;
  ring_entry(&ring, 250, -1, 33);
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT(&ring, 32, -ECANCELED);
  RING_EXPECT(&ring, 33, -EINVAL);
  close(reading);
  close(file);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  ring_free(&ring);
}

static void in_flight(void) {
  struct Ring ring = ring_make(8, 0, 0);
  int fds[2];
  CHECK(pipe(fds) == 0);
  char first[16] = "", second[16] = "";
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, sizeof first, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK_EQUAL(ring_ready(&ring), 0);
  CHECK_EQUAL(write(fds[1], "one", 3), 3);
  RING_EXPECT(&ring, 1, 3);
  CHECK(strcmp(first, "one") == 0);

  // Linked: the read has to be done first.
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 3, 0, 2)->flags = IOSQE_IO_LINK;
  ring_transfer(&ring, IORING_OP_WRITE, fds[1], "next", 4, 0, 3);
  CHECK_EQUAL(ring_submit(&ring, 0), 2);
  CHECK_EQUAL(write(fds[1], "two", 3), 3);
  RING_EXPECT(&ring, 2, 3);
  RING_EXPECT(&ring, 3, 4);
  CHECK(read(fds[0], second, sizeof second) == 4 && strcmp(second, "next") == 0);

  // O_NONBLOCK is for those who cannot wait otherwise; RWF_NOWAIT is meant. The end of the file.
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 4)->rw_flags = RWF_NOWAIT;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 4, -EAGAIN);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 4);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK_EQUAL(write(fds[1], "x", 1), 1);
  RING_EXPECT(&ring, 4, 1);
  fcntl(fds[0], F_SETFL, 0);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 5);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  close(fds[1]);
  RING_EXPECT(&ring, 5, 0);
  close(fds[0]);

  // Cancelling.
  CHECK(pipe(fds) == 0);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 7);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 6);
  ring_transfer(&ring, IORING_OP_READ, fds[0], first, 1, 0, 6);
  CHECK_EQUAL(ring_submit(&ring, 0), 3);
  ring_transfer(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)7, 0, 0, 8);
  CHECK_EQUAL(ring_submit(&ring, 2), 1);
  RING_EXPECT_ALL(&ring, 7, -ECANCELED, 0);
  ring_transfer(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)7, 0, 0, 9);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 9, -ENOENT);
  ring_transfer(&ring, IORING_OP_ASYNC_CANCEL, -1, (void*)6, 0, 0, 10)->cancel_flags =
      IORING_ASYNC_CANCEL_ALL;
  CHECK_EQUAL(ring_submit(&ring, 3), 1);
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    struct Completion cqe = ring_completion(&ring);
    CHECK_EQUAL(cqe.res, cqe.user_data == 10 ? 2 : -ECANCELED);
    sum += (int)cqe.user_data;
  }
  CHECK_EQUAL(sum, 22);

  // Polling.
  ring_entry(&ring, IORING_OP_POLL_ADD, fds[0], 11)->poll_events = POLLIN;
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK_EQUAL(write(fds[1], "x", 1), 1);
  RING_EXPECT(&ring, 11, POLLIN);
  ring_entry(&ring, IORING_OP_POLL_ADD, fds[1], 12)->poll_events = POLLOUT;
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 12, POLLOUT);
  ring_entry(&ring, IORING_OP_POLL_ADD, fds[1], 13)->poll_events = POLLIN;
  ring_transfer(&ring, IORING_OP_POLL_REMOVE, -1, (void*)13, 0, 0, 14);
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT_ALL(&ring, 13, -ECANCELED, 0);
  struct pollfd ready = {.fd = ring.fd, .events = POLLIN | POLLOUT};
  CHECK(poll(&ready, 1, 0) == 1 && ready.revents == POLLOUT);
  ring_entry(&ring, IORING_OP_NOP, -1, 15);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  CHECK(poll(&ready, 1, 0) == 1 && ready.revents == (POLLIN | POLLOUT));
  RING_EXPECT(&ring, 15, 0);
  close(fds[0]);
  close(fds[1]);
  ring_free(&ring);
}

static void waiting(void) {
  struct Ring ring = ring_make(8, 0, 0);
  struct __kernel_timespec time = {.tv_nsec = 2000000};
  ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 1, 0, 1);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 1, -ETIME);
  time.tv_sec = 1000;
  ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 1, 2, 2);  // or two completions
  ring_entry(&ring, IORING_OP_NOP, -1, 3);
  CHECK_EQUAL(ring_submit(&ring, 1), 2);
  RING_EXPECT(&ring, 3, 0);
  ring_entry(&ring, IORING_OP_NOP, -1, 4);
  CHECK_EQUAL(ring_submit(&ring, 2), 1);
  RING_EXPECT(&ring, 4, 0);
  RING_EXPECT(&ring, 2, 0);
  ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 1, 0, 5);
  ring_transfer(&ring, IORING_OP_TIMEOUT_REMOVE, -1, (void*)5, 0, 0, 6);
  CHECK_EQUAL(ring_submit(&ring, 2), 2);
  RING_EXPECT_ALL(&ring, 5, -ECANCELED, 0);
  ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 2, 0, 7);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 7, -EINVAL);
  time.tv_nsec = -1;
  ring_transfer(&ring, IORING_OP_TIMEOUT, -1, &time, 1, 0, 8);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  RING_EXPECT(&ring, 8, -EINVAL);

  // Waiting for completions: with an end, with other signals blocked, and no longer than a signal allows.
  time = (struct __kernel_timespec){.tv_nsec = 1000000};
  struct io_uring_getevents_arg argument = {.ts = (uint64_t)(uintptr_t)&time};
  unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  CHECK_FAILS(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, &argument, sizeof argument), ETIME);
  CHECK_FAILS(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, &argument, 8), EINVAL);
  CHECK_FAILS(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, (void*)16, sizeof argument), EFAULT);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  install_handler(SIGALRM, catch_and_leave, 0);
  CHECK(sigprocmask(SIG_BLOCK, &alarm_only, NULL) == 0);
  uint64_t nothing = 0;
  CHECK_FAILS(syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, &nothing, 4), EINVAL);
  CHECK(RAISES({
    raise(SIGALRM);
    syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, &nothing, 8);
  }));
  CHECK_EQUAL(caught.signal, SIGALRM);
  ring_free(&ring);
}

static void eventfd_is_told(void) {
  struct Ring ring = ring_make(8, 0, 0);
  int event = eventfd(0, EFD_NONBLOCK), bad = 1000, memory = memfd_create("no event", 0);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_EVENTFD, &bad, 1), EBADF);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_EVENTFD, &memory, 1), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_EVENTFD, &event, 2), EINVAL);
  CHECK_FAILS(ring_register(ring.fd, IORING_UNREGISTER_EVENTFD, NULL, 0), ENXIO);
  CHECK_EQUAL(ring_register(ring.fd, IORING_REGISTER_EVENTFD, &event, 1), 0);
  CHECK_FAILS(ring_register(ring.fd, IORING_REGISTER_EVENTFD, &event, 1), EBUSY);
  uint64_t count = 0;
  CHECK_FAILS(read(event, &count, 8), EAGAIN);
  ring_entry(&ring, IORING_OP_NOP, -1, 1);
  CHECK_EQUAL(ring_submit(&ring, 1), 1);
  CHECK(read(event, &count, 8) == 8 && count >= 1);
  CHECK_EQUAL(ring_register(ring.fd, IORING_UNREGISTER_EVENTFD, NULL, 0), 0);

  // An eventfd as a file.
  RING_EXPECT(&ring, 1, 0);
  ring_transfer(&ring, IORING_OP_READ, event, &count, 8, 0, 3);
  CHECK_EQUAL(ring_submit(&ring, 0), 1);
  uint64_t seven = 7;
  CHECK_EQUAL(write(event, &seven, 8), 8);
  RING_EXPECT(&ring, 3, 8);
  CHECK_EQUAL(count, 7);
  close(event);
  close(memory);
  ring_free(&ring);
}

int main(void) {
  static const struct RingTest tests[] = {
      {setup_errors, "setup and errors: ok"},
      {mappings, "mappings: ok"},
      {nops, "nops: ok"},
      {files, "files and links: ok"},
      {all_messages, "messages: ok"},
      {in_flight, "in flight: ok"},
      {waiting, "waiting: ok"},
      {eventfd_is_told, "eventfd: ok"},
  };
  ring_run(tests, sizeof tests / sizeof tests[0]);
  return 0;
}
