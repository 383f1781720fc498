// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pages that go through pipes without being copied: vmsplice, splice, tee, and the packets of O_DIRECT pipes.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

struct Pipe {
  int out, in;  // read from `out`, write to `in`
};

static struct Pipe make_pipe(int flags) {
  int fds[2];
  CHECK(pipe2(fds, flags) == 0);
  return (struct Pipe){fds[0], fds[1]};
}

static void close_pipe(struct Pipe pipe) {
  close(pipe.out);
  close(pipe.in);
}

static int bytes_in(struct Pipe pipe) {
  int bytes = -1;
  CHECK(ioctl(pipe.out, FIONREAD, &bytes) == 0);
  return bytes;
}

static void expect_read(int fd, const char* expected) {
  char text[64] = "";
  CHECK_EQUAL(read(fd, text, sizeof text), strlen(expected));
  CHECK(memcmp(text, expected, strlen(expected)) == 0);
}

static long vmsplice_bytes(int fd, void* memory, size_t bytes, unsigned flags) {
  struct iovec part = {memory, bytes};
  return vmsplice(fd, &part, 1, flags);
}

// What is written after vmsplice shows in the pipe: the pipe has the page, not a copy.
static void pages_of_a_program(void) {
  struct Pipe pipe = make_pipe(0);
  char* page = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
  strcpy(page + 100, "first");
  CHECK_EQUAL(vmsplice_bytes(pipe.in, page + 100, 5, 0), 5);
  memcpy(page + 100, "later", 5);
  CHECK_EQUAL(bytes_in(pipe), 5);
  expect_read(pipe.out, "later");

  // The page outlives its mapping; a write does not go into it.
  memcpy(page, "gone", 4);
  CHECK_EQUAL(vmsplice_bytes(pipe.in, page, 4, SPLICE_F_GIFT), 4);
  CHECK_EQUAL(write(pipe.in, "+more", 5), 5);
  CHECK(munmap(page, kPage) == 0);
  expect_read(pipe.out, "gone+more");

  // Several parts, some of them empty, one across a page boundary.
  char* two = map_anonymous(2 * kPage, PROT_READ | PROT_WRITE);
  memcpy(two + kPage - 3, "abcdef", 6);
  struct iovec parts[4] = {{two, 0}, {two + kPage - 3, 6}, {NULL, 0}, {(char*)"xyz", 3}};
  CHECK_EQUAL(vmsplice(pipe.in, parts, 4, 0), 9);
  expect_read(pipe.out, "abcdefxyz");

  // Never-touched memory is zeros.
  char* fresh = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  CHECK_EQUAL(vmsplice_bytes(pipe.in, fresh, 8, 0), 8);
  char eight[8] = "........";
  CHECK_EQUAL(read(pipe.out, eight, 8), 8);
  for (int i = 0; i < 8; ++i) CHECK_EQUAL(eight[i], 0);

  // More than fits: what fits. Then nothing does.
  char* many = map_anonymous(32 * kPage, PROT_READ | PROT_WRITE);
  CHECK_EQUAL(vmsplice_bytes(pipe.in, many, 32 * kPage, 0), 16 * kPage);
  CHECK_FAILS(vmsplice_bytes(pipe.in, many, 1, SPLICE_F_NONBLOCK), EAGAIN);
  close_pipe(pipe);  // the pipe gives sixteen pages back
  munmap(many, 32 * kPage);

  // The other way it copies.
  pipe = make_pipe(0);
  CHECK_EQUAL(write(pipe.in, "0123456789", 10), 10);
  char a[4] = "", b[4] = "";
  struct iovec targets[2] = {{a, 3}, {b, 3}};
  CHECK_EQUAL(vmsplice(pipe.out, targets, 2, 0), 6);
  CHECK(strcmp(a, "012") == 0 && strcmp(b, "345") == 0);
  expect_read(pipe.out, "6789");
  CHECK_FAILS(vmsplice(pipe.out, targets, 2, SPLICE_F_NONBLOCK), EAGAIN);
  close(pipe.in);
  CHECK_EQUAL(vmsplice(pipe.out, targets, 2, 0), 0);
  close(pipe.out);
  say("vmsplice: ok");
}

static void vmsplice_errors(void) {
  struct Pipe pipe = make_pipe(0);
  char byte = 'x';
  struct iovec part = {&byte, 1}, negative = {&byte, (size_t)-1}, bad = {(void*)16, 1};
  CHECK_FAILS(vmsplice(pipe.in, &part, 1, 16), EINVAL);
  CHECK_FAILS(vmsplice(-1, &part, 1, 0), EBADF);
  CHECK_FAILS(vmsplice(pipe.in, &part, 1025, 0), EINVAL);
  CHECK_FAILS(vmsplice(pipe.in, (void*)16, 1, 0), EFAULT);
  CHECK_FAILS(vmsplice(pipe.in, &negative, 1, 0), EINVAL);
  CHECK_FAILS(vmsplice(pipe.in, &bad, 1, 0), EFAULT);
  struct iovec half[2] = {{&byte, 1}, {(void*)16, 1}};
  CHECK_EQUAL(vmsplice(pipe.in, half, 2, 0), 1);
  CHECK_EQUAL(vmsplice(pipe.in, &part, 0, 0), 0);
  int null = open("/dev/null", O_RDWR);
  CHECK_FAILS(vmsplice(null, &part, 1, 0), EBADF);
  CHECK_EQUAL(vmsplice(null, &part, 0, 0), 0);
  close(null);
  close(pipe.out);
  signal(SIGPIPE, SIG_IGN);
  CHECK_FAILS(vmsplice(pipe.in, &part, 1, 0), EPIPE);
  close(pipe.in);
  say("vmsplice errors: ok");
}

static void between_pipe_and_file(void) {
  struct Pipe pipe = make_pipe(0);
  int file = memfd_create("splice", 0);
  CHECK(ftruncate(file, 3 * kPage) == 0);
  CHECK_EQUAL(pwrite(file, "begin", 5, 0), 5);
  CHECK_EQUAL(pwrite(file, "end", 3, 3 * kPage - 3), 3);

  // By an offset of one's own, which moves; the file's position does not.
  loff_t offset = 3 * kPage - 3;
  CHECK_EQUAL(splice(file, &offset, pipe.in, NULL, 100, 0), 3);
  CHECK_EQUAL(offset, 3 * kPage);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 0);
  CHECK_EQUAL(splice(file, &offset, pipe.in, NULL, 100, 0), 0);
  expect_read(pipe.out, "end");

  // By the file's position. The pipe has the page of the page cache, and the hole behind it reads as zeros.
  CHECK_EQUAL(splice(file, NULL, pipe.in, NULL, 5, SPLICE_F_MOVE), 5);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 5);
  CHECK_EQUAL(pwrite(file, "BEGIN", 5, 0), 5);
  expect_read(pipe.out, "BEGIN");
  char page[kPage];
  memset(page, 'x', kPage);
  offset = kPage;
  CHECK_EQUAL(splice(file, &offset, pipe.in, NULL, kPage, 0), kPage);
  CHECK_EQUAL(read(pipe.out, page, kPage), kPage);
  for (int i = 0; i < kPage; ++i) CHECK_EQUAL(page[i], 0);

  // The page stays in the pipe when the file has lost it.
  offset = 0;
  CHECK_EQUAL(splice(file, &offset, pipe.in, NULL, 5, 0), 5);
  CHECK(ftruncate(file, 0) == 0);
  CHECK_EQUAL(bytes_in(pipe), 5);

  // Into a file: at the position, at an offset.
  char* memory = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  strcpy(memory, " and more");
  CHECK_EQUAL(vmsplice_bytes(pipe.in, memory, 9, 0), 9);
  CHECK(lseek(file, 0, SEEK_SET) == 0);
  CHECK_EQUAL(read(pipe.out, page, 5), 5);
  CHECK_EQUAL(splice(pipe.out, NULL, file, NULL, 100, 0), 9);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 9);
  CHECK_EQUAL(write(pipe.in, "12345", 5), 5);
  offset = 4096;
  CHECK_EQUAL(splice(pipe.out, NULL, file, &offset, 3, 0), 3);
  CHECK_EQUAL(offset, 4099);
  expect_read(pipe.out, "45");
  CHECK_EQUAL(pread(file, page, kPage, 4096), 3);
  CHECK(memcmp(page, "123", 3) == 0);
  CHECK_EQUAL(pread(file, page, 9, 0), 9);
  CHECK(memcmp(page, " and more", 9) == 0);

  // Devices.
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
  CHECK_EQUAL(write(pipe.in, "12345", 5), 5);
  CHECK_EQUAL(splice(pipe.out, NULL, null, NULL, 4, 0), 4);
  expect_read(pipe.out, "5");
  CHECK_EQUAL(splice(zero, NULL, pipe.in, NULL, 6, 0), 6);
  CHECK_EQUAL(read(pipe.out, page, 10), 6);
  close(null);
  close(zero);

  CHECK_FAILS(splice(pipe.out, NULL, file, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  close(pipe.in);
  CHECK_EQUAL(splice(pipe.out, NULL, file, NULL, 1, 0), 0);
  close(pipe.out);
  close(file);
  say("splice with files: ok");
}

static void between_pipes(void) {
  struct Pipe a = make_pipe(0), b = make_pipe(O_NONBLOCK);
  CHECK_EQUAL(write(a.in, "one two three", 13), 13);
  CHECK_EQUAL(tee(a.out, b.in, 3, 0), 3);
  CHECK_EQUAL(write(b.in, "|", 1), 1);  // not into the page that both have now
  CHECK_EQUAL(write(a.in, "!", 1), 1);
  CHECK_EQUAL(splice(a.out, NULL, b.in, NULL, 7, 0), 7);
  CHECK_EQUAL(splice(a.out, NULL, b.in, NULL, 100, 0), 7);
  CHECK_EQUAL(bytes_in(a), 0);
  expect_read(b.out, "one|one two three!");
  CHECK_FAILS(tee(a.out, b.in, 3, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_FAILS(splice(a.out, NULL, b.in, NULL, 3, 0), EAGAIN);  // b does not wait

  // A page of a program in both pipes.
  char* page = map_anonymous(kPage, PROT_READ | PROT_WRITE);
  memcpy(page, "mine", 4);
  CHECK_EQUAL(vmsplice_bytes(a.in, page, 4, 0), 4);
  CHECK_EQUAL(tee(a.out, b.in, 100, 0), 4);
  memcpy(page, "ours", 4);
  munmap(page, kPage);
  expect_read(a.out, "ours");
  expect_read(b.out, "ours");
  close(a.in);
  CHECK_EQUAL(tee(a.out, b.in, 1, 0), 0);
  CHECK_EQUAL(splice(a.out, NULL, b.in, NULL, 1, 0), 0);
  close(a.out);

  // Somebody who waits gets what comes.
  a = make_pipe(0);
  pid_t child = fork();
  if (child == 0) {
    _exit(splice(a.out, NULL, b.in, NULL, 100, 0) == -1 && errno == EAGAIN ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  fcntl(b.in, F_SETFL, 0);
  child = fork();
  if (child == 0) {
    close(a.in);
    _exit((int)splice(a.out, NULL, b.in, NULL, 100, 0));
  }
  usleep(1000);
  CHECK_EQUAL(write(a.in, "wake up", 7), 7);
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  expect_read(b.out, "wake up");
  close_pipe(a);
  close_pipe(b);
  say("splice and tee between pipes: ok");
}

static void splice_errors(void) {
  struct Pipe a = make_pipe(0), b = make_pipe(0);
  int file = memfd_create("errors", 0);
  int append = open("/proc/self/exe", O_RDONLY);
  loff_t offset = 0, negative = -1;
  CHECK_EQUAL(write(a.in, "data", 4), 4);
  CHECK_EQUAL(splice(-1, NULL, -1, NULL, 0, 0), 0);
  CHECK_FAILS(splice(a.out, NULL, b.in, NULL, 1, 16), EINVAL);
  CHECK_FAILS(splice(-1, NULL, b.in, NULL, 1, 0), EBADF);
  CHECK_FAILS(splice(a.out, NULL, -1, NULL, 1, 0), EBADF);
  CHECK_FAILS(splice(a.in, NULL, b.in, NULL, 1, 0), EBADF);
  CHECK_FAILS(splice(a.out, NULL, b.out, NULL, 1, 0), EBADF);
  CHECK_FAILS(splice(a.out, NULL, append, NULL, 1, 0), EBADF);
  CHECK_FAILS(splice(a.out, NULL, a.in, NULL, 1, 0), EINVAL);
  CHECK_FAILS(splice(file, NULL, file, NULL, 1, 0), EINVAL);
  CHECK_FAILS(splice(a.out, &offset, b.in, NULL, 1, 0), ESPIPE);
  CHECK_FAILS(splice(a.out, NULL, b.in, &offset, 1, 0), ESPIPE);
  CHECK_FAILS(splice(a.out, NULL, file, (void*)16, 1, 0), EFAULT);
  CHECK_FAILS(splice(a.out, NULL, file, &negative, 1, 0), EINVAL);
  CHECK_FAILS(splice(file, &negative, b.in, NULL, 1, 0), EINVAL);
  CHECK(fcntl(file, F_SETFL, O_APPEND) == 0);
  CHECK_FAILS(splice(a.out, NULL, file, NULL, 1, 0), EINVAL);
  CHECK_EQUAL(tee(-1, -1, 0, 0), 0);
  CHECK_FAILS(tee(a.out, b.in, 0, 16), EINVAL);
  CHECK_FAILS(tee(-1, b.in, 1, 0), EBADF);
  CHECK_FAILS(tee(a.out, b.out, 1, 0), EBADF);
  CHECK_FAILS(tee(a.out, a.in, 1, 0), EINVAL);
  CHECK_FAILS(tee(file, b.in, 1, 0), EINVAL);
  close(b.out);
  CHECK_FAILS(tee(a.out, b.in, 1, 0), EPIPE);
  CHECK_FAILS(splice(a.out, NULL, b.in, NULL, 1, 0), EPIPE);
  close(b.in);
  close_pipe(a);
  close(file);
  close(append);
  say("splice and tee errors: ok");
}

static void packets(void) {
  struct Pipe pipe = make_pipe(O_DIRECT);
  CHECK_EQUAL(write(pipe.in, "one", 3), 3);
  CHECK_EQUAL(write(pipe.in, "second", 6), 6);
  CHECK_EQUAL(write(pipe.in, "three", 5), 5);
  expect_read(pipe.out, "one");
  char three[4] = "";
  CHECK_EQUAL(read(pipe.out, three, 3), 3);  // the rest of the packet is lost
  CHECK(strcmp(three, "sec") == 0);
  expect_read(pipe.out, "three");
  CHECK_EQUAL(bytes_in(pipe), 0);
  close_pipe(pipe);

  // A packet is a page of what one call writes, and goes to one call that reads, however many parts they
  // have.
  pipe = make_pipe(O_DIRECT | O_NONBLOCK);
  CHECK_EQUAL(fcntl(pipe.out, F_GETFL), O_RDONLY | O_NONBLOCK);
  CHECK_EQUAL(fcntl(pipe.in, F_GETFL), O_WRONLY | O_NONBLOCK | O_DIRECT);
  static char bytes[2 * kPage];
  struct iovec parts[3] = {{bytes, 30}, {bytes, 5}, {bytes, 4500}};
  CHECK_EQUAL(writev(pipe.in, parts, 3), 4535);
  CHECK_EQUAL(read(pipe.out, bytes, sizeof bytes), kPage);
  CHECK_EQUAL(read(pipe.out, bytes, sizeof bytes), 439);
  CHECK_FAILS(read(pipe.out, bytes, sizeof bytes), EAGAIN);
  CHECK_EQUAL(write(pipe.in, bytes, 300), 300);
  CHECK_EQUAL(write(pipe.in, bytes, 50), 50);
  parts[0].iov_len = parts[1].iov_len = 100;
  CHECK_EQUAL(readv(pipe.out, parts, 3), 300);
  CHECK_EQUAL(readv(pipe.out, parts, 3), 50);
  // To vmsplice and splice the pipe is bytes, as far as they go.
  CHECK_EQUAL(write(pipe.in, bytes, 300), 300);
  CHECK_EQUAL(write(pipe.in, bytes, 50), 50);
  CHECK_EQUAL(vmsplice(pipe.out, parts, 2, 0), 200);
  CHECK_EQUAL(bytes_in(pipe), 150);
  CHECK_FAILS(vmsplice(pipe.out, (struct iovec[]){{bytes, 30}, {(void*)16, 1000}}, 2, 0), EFAULT);
  CHECK_EQUAL(vmsplice(pipe.out, (struct iovec[]){{bytes, 100}, {(void*)16, 1000}}, 2, 0), 100);
  CHECK_EQUAL(vmsplice(pipe.out, parts, 3, 0), 50);
  CHECK_EQUAL(fcntl(pipe.in, F_SETFL, O_NONBLOCK), 0);  // no more packets
  CHECK_EQUAL(write(pipe.in, bytes, 10), 10);
  CHECK_EQUAL(write(pipe.in, bytes, 10), 10);
  CHECK_EQUAL(read(pipe.out, bytes, sizeof bytes), 20);
  close_pipe(pipe);
  say("packets: ok");
}

int main(void) {
  pages_of_a_program();
  vmsplice_errors();
  between_pipe_and_file();
  between_pipes();
  splice_errors();
  packets();
  return 0;
}
