// SPDX-License-Identifier: GPL-2.0-or-later
//
// What userfaultfd tells of changes of the map, with and without its EVENT features: fork, mremap, munmap,
// madvise, mmap over it, exec and exit; and write protection through all of that.
#include "uffd.h"

static char page[kPage] __attribute__((aligned(kPage)));
static const uint64_t kBoth = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
static const uint64_t kWpFault = UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP;

static char* memory;
static char* elsewhere;  // a range to move to

static void* thread_unmaps(void* length) { return (void*)(long)munmap(memory, (size_t)length); }
static void* thread_drops(void* advice) { return (void*)(long)madvise(memory, 2 * kPage, (int)(long)advice); }
static void* thread_moves(void* flags) {
  char* moved =
      mremap(memory, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED | (int)(long)flags, elsewhere);
  return (void*)(long)(moved == elsewhere);
}
static void* thread_maps_over(void* unused) {
  (void)unused;
  char* mapped = mmap(memory, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return (void*)(long)(mapped == memory);
}

static int child_status(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Four pages, the first two written; monitored.
static int set_up(uint64_t features, uint64_t mode) {
  memory = map_anonymous(4 * kPage, PROT_READ | PROT_WRITE);
  elsewhere = map_anonymous(4 * kPage, PROT_NONE);
  memset(memory, 1, 2 * kPage);
  int fd = uffd_new(0, features);
  CHECK(uffd_register(fd, memory, 4 * kPage, mode) == 0);
  return fd;
}

static void tear_down(int fd) {
  close(fd);
  munmap(memory, 4 * kPage);
  munmap(elsewhere, 4 * kPage);
}

static void resolve_write(int fd, char* at, pthread_t writer) {
  uffd_fault(fd, kWpFault, at);
  CHECK(uffd_protect(fd, at, kPage, 0) == 0);
  join_thread(writer);
  CHECK_EQUAL(*at, 77);
}

static void test_unmap(void) {
  int fd = set_up(UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING);
  pthread_t thread = start_thread(thread_unmaps, (void*)(2l * kPage));
  struct uffd_msg message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_UNMAP);
  CHECK_EQUAL(message.arg.remove.start, (uintptr_t)memory);
  CHECK_EQUAL(message.arg.remove.end, (uintptr_t)memory + 2 * kPage);
  CHECK(join_thread(thread) == 0);
  CHECK_FAILS(uffd_copy(fd, memory, page, kPage, 0), ENOENT);
  close(fd);
  munmap(memory, 4 * kPage);

  fd = set_up(UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING);
  thread = start_thread(thread_maps_over, NULL);
  message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_UNMAP);
  CHECK_EQUAL(message.arg.remove.end, (uintptr_t)memory + kPage);
  CHECK(join_thread(thread) == (void*)1);
  thread = start_thread(thread_reads, memory);
  CHECK(join_thread(thread) == 0);
  munmap(memory, kPage);  // no event: nothing of it is watched any more
  tear_down(fd);
  say("munmap");
}

static void test_remove(void) {
  int fd = set_up(UFFD_FEATURE_EVENT_REMOVE, UFFDIO_REGISTER_MODE_MISSING);
  pthread_t thread = start_thread(thread_drops, (void*)MADV_DONTNEED);
  struct pollfd ready = {fd, POLLIN, 0};
  CHECK(poll(&ready, 1, 0) == 1 && ready.revents == POLLERR);       // a blocking descriptor cannot be polled
  while (uffd_copy(fd, memory + 3 * kPage, page, kPage, 0) == 0) {  // until the call has begun
    CHECK(uffd_copy(fd, memory + 2 * kPage, page, kPage, 0) == 0 || errno == EEXIST || errno == EAGAIN);
    if (errno == EAGAIN) break;
  }
  struct uffd_msg message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_REMOVE);
  CHECK_EQUAL(message.arg.remove.start, (uintptr_t)memory);
  CHECK_EQUAL(message.arg.remove.end, (uintptr_t)memory + 2 * kPage);
  CHECK(join_thread(thread) == 0);
  thread = start_thread(thread_reads, memory);
  uffd_fault(fd, 0, memory);
  CHECK(uffd_zero(fd, memory, kPage, 0) == 0);
  CHECK(join_thread(thread) == 0);
  tear_down(fd);

  // Without the feature nobody hears of it. Protection of anonymous pages goes with them.
  fd = set_up(uffd_offered() & UFFD_FEATURE_WP_UNPOPULATED, UFFDIO_REGISTER_MODE_WP);
  CHECK(uffd_protect(fd, memory, 4 * kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(madvise(memory, 4 * kPage, MADV_DONTNEED) == 0);
  memset(memory, 3, 4 * kPage);
  tear_down(fd);
  say("madvise");
}

static void test_mremap(void) {
  int fd = set_up(UFFD_FEATURE_EVENT_REMAP, kBoth);
  CHECK(uffd_protect(fd, memory, kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  pthread_t thread = start_thread(thread_moves, NULL);
  struct uffd_msg message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_REMAP);
  CHECK_EQUAL(message.arg.remap.from, (uintptr_t)memory);
  CHECK_EQUAL(message.arg.remap.to, (uintptr_t)elsewhere);
  CHECK_EQUAL(message.arg.remap.len, 2 * kPage);
  CHECK(join_thread(thread) == (void*)1);
  resolve_write(fd, elsewhere, start_thread(thread_writes, elsewhere));  // protection has come along
  tear_down(fd);

  fd = set_up(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_UNMAP, kBoth);
  thread = start_thread(thread_moves, NULL);
  CHECK_EQUAL(uffd_next(fd).event, UFFD_EVENT_REMAP);
  message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_UNMAP);
  CHECK_EQUAL(message.arg.remove.start, (uintptr_t)memory);
  CHECK(join_thread(thread) == (void*)1);
  close(fd);
  tear_down(-1);

  fd = set_up(UFFD_FEATURE_EVENT_REMAP, kBoth);
  thread = start_thread(thread_moves, (void*)(long)MREMAP_DONTUNMAP);
  CHECK_EQUAL(uffd_next(fd).event, UFFD_EVENT_REMAP);
  CHECK(join_thread(thread) == (void*)1);
  thread = start_thread(thread_reads, memory);  // what has been left is watched, and empty
  uffd_fault(fd, 0, memory);
  CHECK(uffd_zero(fd, memory, kPage, 0) == 0);
  CHECK(join_thread(thread) == 0);
  CHECK_EQUAL(elsewhere[0], 1);
  close(fd);
  tear_down(-1);

  // Without the feature what moves is out of sight.
  fd = set_up(0, kBoth);
  CHECK(uffd_protect(fd, memory, kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  CHECK(join_thread(start_thread(thread_moves, NULL)) == (void*)1);
  elsewhere[0] = 5;
  CHECK(madvise(elsewhere, kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(elsewhere[0], 0);
  CHECK_FAILS(uffd_protect(fd, elsewhere, kPage, 0), ENOENT);
  tear_down(fd);
  say("mremap");
}

static pid_t forked;
static void* thread_forks(void* in_child) {
  forked = fork();
  if (forked == 0) _exit(((int (*)(void))in_child)());
  return NULL;
}

static int child_reads(void) { return memory[2 * kPage] == 0 ? 0 : 1; }
static int child_writes(void) {
  memory[0] = 9;
  return memory[0] == 9 ? 0 : 1;
}

static void test_fork(void) {
  int fd = set_up(UFFD_FEATURE_EVENT_FORK, kBoth);
  CHECK(uffd_protect(fd, memory, kPage, UFFDIO_WRITEPROTECT_MODE_WP) == 0);
  pthread_t thread = start_thread(thread_forks, child_writes);
  struct uffd_msg message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_FORK);
  int of_child = (int)message.arg.fork.ufd;
  CHECK(fcntl(of_child, F_GETFL) >= 0);
  uffd_fault(of_child, kWpFault, memory);
  CHECK(uffd_protect(of_child, memory, kPage, 0) == 0);
  join_thread(thread);
  CHECK_EQUAL(child_status(forked), 0);
  CHECK_EQUAL(memory[0], 1);
  CHECK_FAILS(uffd_protect(of_child, memory, kPage, 0), ESRCH);  // its memory has gone
  CHECK_FAILS(uffd_copy(of_child, memory, page, kPage, 0), ESRCH);
  CHECK_FAILS(uffd_register(of_child, memory, kPage, UFFDIO_REGISTER_MODE_WP), ENOMEM);
  CHECK(uffd_wake(of_child, memory, kPage) == 0);
  close(of_child);

  thread = start_thread(thread_forks, child_reads);
  message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_FORK);
  of_child = (int)message.arg.fork.ufd;
  join_thread(thread);
  uffd_fault(of_child, 0, memory + 2 * kPage);
  memset(page, 0, kPage);
  CHECK(uffd_copy(of_child, memory + 2 * kPage, page, kPage, 0) == 0);
  CHECK_EQUAL(child_status(forked), 0);
  close(of_child);

  close(fd);
  tear_down(-1);
  say("fork");
}

// A monitor of another process: it is handed the descriptor by fork, and the memory is not its own.
static void test_other_process(void) {
  int fd = set_up(0, UFFDIO_REGISTER_MODE_MISSING);
  pid_t monitor = fork();
  if (monitor == 0) {
    memset(page, 33, kPage);
    uffd_fault(fd, 0, memory + 2 * kPage);
    CHECK(uffd_copy(fd, memory + 2 * kPage, page, kPage, 0) == 0);
    CHECK_FAILS(uffd_move(fd, memory + 3 * kPage, memory, kPage, 0), EINVAL);
    _exit(3);
  }
  CHECK_EQUAL(memory[2 * kPage], 33);
  CHECK_EQUAL(child_status(monitor), 3);

  // A signal ends the wait; the access is repeated after its handler, here by nobody any more.
  install_handler(SIGALRM, catch_and_leave, 0);
  monitor = fork();
  if (monitor == 0) {
    uffd_fault(fd, 0, memory + 3 * kPage);
    kill(getppid(), SIGALRM);
    _exit(4);
  }
  CHECK(RAISES(read_byte(memory + 3 * kPage)));
  CHECK_EQUAL(caught.signal, SIGALRM);
  CHECK_EQUAL(child_status(monitor), 4);
  tear_down(fd);

  // Who is killed while he waits is gone, and so is the memory behind the descriptor.
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  fd = uffd_new(0, 0);
  close(fd);
  pid_t child = fork();
  if (child == 0) {
    fd = set_up(0, UFFDIO_REGISTER_MODE_MISSING);
    CHECK(write(pipe_fds[1], "x", 1) == 1);
    read_byte(memory + 2 * kPage);
    _exit(5);
  }
  char byte;
  CHECK(read(pipe_fds[0], &byte, 1) == 1);
  usleep(10000);
  kill(child, SIGKILL);
  CHECK_EQUAL(child_status(child), 1000 + SIGKILL);
  say("other processes");
}

int main(void) {
  test_unmap();
  test_remove();
  test_mremap();
  test_fork();
  test_other_process();
  return 0;
}
