// SPDX-License-Identifier: GPL-2.0-or-later
//
// Write protection that is told to a monitor (userfaultfd(2), UFFDIO_REGISTER_MODE_WP).
#pragma once

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "tap.h"

// -1: there is none.
static inline int try_userfaultfd(uint64_t features, uint64_t* offered) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  struct uffdio_api api = {.api = UFFD_API, .features = features};
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    close(fd);
    return -1;
  }
  if (offered) *offered = api.features;
  return fd;
}

static inline int open_userfaultfd(uint64_t features) {
  int fd = try_userfaultfd(features | UFFD_FEATURE_PAGEFAULT_FLAG_WP, NULL);
  if (fd < 0) skip("no userfaultfd with write protection");
  return fd;
}

static inline bool try_watch_writes(int fd, char* pages, size_t count) {
  struct uffdio_register area = {.range = {(uintptr_t)pages, count * kPage}, .mode = UFFDIO_REGISTER_MODE_WP};
  return ioctl(fd, UFFDIO_REGISTER, &area) == 0;
}

static inline void watch_writes(int fd, char* pages, size_t count) {
  if (!try_watch_writes(fd, pages, count)) skip("no write protection by userfaultfd");
}

static inline void protect(int fd, char* pages, size_t count) {
  struct uffdio_writeprotect range = {{(uintptr_t)pages, count * kPage}, UFFDIO_WRITEPROTECT_MODE_WP};
  MUST(ioctl(fd, UFFDIO_WRITEPROTECT, &range) == 0);
}
// Whoever waits goes on.
static inline void unprotect(int fd, char* pages, size_t count) {
  struct uffdio_writeprotect range = {{(uintptr_t)pages, count * kPage}, 0};
  MUST(ioctl(fd, UFFDIO_WRITEPROTECT, &range) == 0);
}

static inline bool event_waits(int fd) {
  struct pollfd poller = {.fd = fd, .events = POLLIN};
  return poll(&poller, 1, 0) == 1;
}

// A thread that counts the writes to protected pages and lets each go on by taking the protection from its
// page.
struct Monitor {
  int userfaultfd, stop[2];
  atomic_int events;
  pthread_t thread;
};

static inline void* monitor_main(void* argument) {
  struct Monitor* monitor = argument;
  struct pollfd pollers[2] = {{.fd = monitor->userfaultfd, .events = POLLIN},
                              {.fd = monitor->stop[0], .events = POLLIN}};
  while (true) {
    MUST(poll(pollers, 2, -1) > 0 || errno == EINTR);
    struct uffd_msg message;
    while (read(monitor->userfaultfd, &message, sizeof message) == sizeof message) {
      if (message.event != UFFD_EVENT_PAGEFAULT) continue;
      if (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) atomic_fetch_add(&monitor->events, 1);
      unprotect(monitor->userfaultfd, (char*)(uintptr_t)(message.arg.pagefault.address & -(uint64_t)kPage),
                1);
    }
    if (pollers[1].revents & POLLIN) return NULL;
  }
}

static inline void start_monitor(struct Monitor* monitor, int userfaultfd) {
  monitor->userfaultfd = userfaultfd;
  atomic_store(&monitor->events, 0);
  MUST(pipe(monitor->stop) == 0);
  MUST(pthread_create(&monitor->thread, NULL, monitor_main, monitor) == 0);
}

static inline int events_of(struct Monitor* monitor) {
  pass(monitor->stop);
  MUST(pthread_join(monitor->thread, NULL) == 0);
  return atomic_load(&monitor->events);
}
