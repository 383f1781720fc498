// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the tests of userfaultfd share: its interface, and the calls.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "check.h"

// As in <linux/userfaultfd.h> of Linux 6.18; musl-gcc does not find the kernel's headers.
#define UFFD_API 0xaaull
#define UFFD_USER_MODE_ONLY 1
enum {
  UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1 << 0,
  UFFD_FEATURE_EVENT_FORK = 1 << 1,
  UFFD_FEATURE_EVENT_REMAP = 1 << 2,
  UFFD_FEATURE_EVENT_REMOVE = 1 << 3,
  UFFD_FEATURE_EVENT_UNMAP = 1 << 6,
  UFFD_FEATURE_SIGBUS = 1 << 7,
  UFFD_FEATURE_THREAD_ID = 1 << 8,
  UFFD_FEATURE_EXACT_ADDRESS = 1 << 11,
  UFFD_FEATURE_WP_UNPOPULATED = 1 << 13,
  UFFD_FEATURE_WP_ASYNC = 1 << 15,
  UFFD_FEATURE_MOVE = 1 << 16,
};
enum {
  UFFD_EVENT_PAGEFAULT = 0x12,
  UFFD_EVENT_FORK,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
};
enum { UFFD_PAGEFAULT_FLAG_WRITE = 1, UFFD_PAGEFAULT_FLAG_WP = 2, UFFD_PAGEFAULT_FLAG_MINOR = 4 };
enum { UFFDIO_REGISTER_MODE_MISSING = 1, UFFDIO_REGISTER_MODE_WP = 2, UFFDIO_REGISTER_MODE_MINOR = 4 };
enum { UFFDIO_COPY_MODE_DONTWAKE = 1, UFFDIO_COPY_MODE_WP = 2 };
enum { UFFDIO_WRITEPROTECT_MODE_WP = 1, UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 2 };
enum { UFFDIO_MOVE_MODE_DONTWAKE = 1, UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES = 2 };

struct uffd_msg {
  uint8_t event;
  uint8_t reserved1;
  uint16_t reserved2;
  uint32_t reserved3;
  union {
    struct {
      uint64_t flags, address;
      uint32_t ptid;
    } pagefault;
    struct {
      uint32_t ufd;
    } fork;
    struct {
      uint64_t from, to, len;
    } remap;
    struct {
      uint64_t start, end;
    } remove;
    uint64_t words[3];
  } arg;
};
struct uffdio_api {
  uint64_t api, features, ioctls;
};
struct uffdio_range {
  uint64_t start, len;
};
struct uffdio_register {
  struct uffdio_range range;
  uint64_t mode, ioctls;
};
struct uffdio_copy {
  uint64_t dst, src, len, mode;
  int64_t copy;
};
struct uffdio_zeropage {
  struct uffdio_range range;
  uint64_t mode;
  int64_t zeropage;
};
struct uffdio_writeprotect {
  struct uffdio_range range;
  uint64_t mode;
};
struct uffdio_continue {
  struct uffdio_range range;
  uint64_t mode;
  int64_t mapped;
};
struct uffdio_poison {
  struct uffdio_range range;
  uint64_t mode;
  int64_t updated;
};
struct uffdio_move {
  uint64_t dst, src, len, mode;
  int64_t move;
};

#define UFFDIO_API _IOWR(0xaa, 0x3f, struct uffdio_api)
#define UFFDIO_REGISTER _IOWR(0xaa, 0x00, struct uffdio_register)
#define UFFDIO_UNREGISTER _IOR(0xaa, 0x01, struct uffdio_range)
#define UFFDIO_WAKE _IOR(0xaa, 0x02, struct uffdio_range)
#define UFFDIO_COPY _IOWR(0xaa, 0x03, struct uffdio_copy)
#define UFFDIO_ZEROPAGE _IOWR(0xaa, 0x04, struct uffdio_zeropage)
#define UFFDIO_MOVE _IOWR(0xaa, 0x05, struct uffdio_move)
#define UFFDIO_WRITEPROTECT _IOWR(0xaa, 0x06, struct uffdio_writeprotect)
#define UFFDIO_CONTINUE _IOWR(0xaa, 0x07, struct uffdio_continue)
#define UFFDIO_POISON _IOWR(0xaa, 0x08, struct uffdio_poison)
#define USERFAULTFD_IOC_NEW _IO(0xaa, 0x00)

static inline int uffd_open(int flags) {
  int fd = (int)syscall(SYS_userfaultfd, flags);
  CHECK(fd >= 0);
  return fd;
}

// The features that the kernel has: minikernel has fewer where it does as an older Linux did.
static inline uint64_t uffd_offered(void) {
  struct uffdio_api api = {.api = UFFD_API};
  int fd = uffd_open(0);
  CHECK(ioctl(fd, UFFDIO_API, &api) == 0);
  close(fd);
  return api.features;
}

// With features chosen.
static inline int uffd_new(int flags, uint64_t features) {
  int fd = uffd_open(flags);
  struct uffdio_api api = {.api = UFFD_API, .features = features};
  CHECK(ioctl(fd, UFFDIO_API, &api) == 0);
  return fd;
}

static inline int uffd_register(int fd, void* start, size_t length, uint64_t mode) {
  struct uffdio_register range = {{(uintptr_t)start, length}, mode, 0};
  return ioctl(fd, UFFDIO_REGISTER, &range);
}

static inline int uffd_unregister(int fd, void* start, size_t length) {
  struct uffdio_range range = {(uintptr_t)start, length};
  return ioctl(fd, UFFDIO_UNREGISTER, &range);
}

static inline int uffd_wake(int fd, void* start, size_t length) {
  struct uffdio_range range = {(uintptr_t)start, length};
  return ioctl(fd, UFFDIO_WAKE, &range);
}

static inline int uffd_protect(int fd, void* start, size_t length, uint64_t mode) {
  struct uffdio_writeprotect range = {{(uintptr_t)start, length}, mode};
  return ioctl(fd, UFFDIO_WRITEPROTECT, &range);
}

static inline int uffd_copy(int fd, void* to, const void* from, size_t length, uint64_t mode) {
  struct uffdio_copy copy = {(uintptr_t)to, (uintptr_t)from, length, mode, 0};
  return ioctl(fd, UFFDIO_COPY, &copy);
}

static inline int uffd_zero(int fd, void* start, size_t length, uint64_t mode) {
  struct uffdio_zeropage zero = {{(uintptr_t)start, length}, mode, 0};
  return ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

static inline int uffd_continue(int fd, void* start, size_t length, uint64_t mode) {
  struct uffdio_continue range = {{(uintptr_t)start, length}, mode, 0};
  return ioctl(fd, UFFDIO_CONTINUE, &range);
}

static inline int uffd_poison(int fd, void* start, size_t length, uint64_t mode) {
  struct uffdio_poison range = {{(uintptr_t)start, length}, mode, 0};
  return ioctl(fd, UFFDIO_POISON, &range);
}

static inline int uffd_move(int fd, void* to, void* from, size_t length, uint64_t mode) {
  struct uffdio_move move = {(uintptr_t)to, (uintptr_t)from, length, mode, 0};
  return ioctl(fd, UFFDIO_MOVE, &move);
}

// Blocks until there is one.
static inline struct uffd_msg uffd_next(int fd) {
  struct uffd_msg message;
  CHECK(read(fd, &message, sizeof message) == sizeof message);
  return message;
}

static inline bool uffd_has_message(int fd) {
  struct pollfd ready = {fd, POLLIN, 0};
  CHECK(poll(&ready, 1, 0) >= 0);
  return ready.revents & POLLIN;
}

static inline struct uffd_msg uffd_fault(int fd, uint64_t flags, const void* address) {
  struct uffd_msg message = uffd_next(fd);
  CHECK_EQUAL(message.event, UFFD_EVENT_PAGEFAULT);
  CHECK_EQUAL(message.arg.pagefault.flags, flags);
  CHECK_EQUAL(message.arg.pagefault.address, (uintptr_t)address);
  return message;
}

// What a thread does while the test plays the monitor.
typedef void* (*ThreadBody)(void*);

static inline pthread_t start_thread(ThreadBody body, void* argument) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, body, argument) == 0);
  return thread;
}

static inline void* join_thread(pthread_t thread) {
  void* result = NULL;
  CHECK(pthread_join(thread, &result) == 0);
  return result;
}

static inline void* thread_reads(void* address) { return (void*)(uintptr_t)read_byte(address); }
static inline void* thread_writes(void* address) {
  write_byte(address, 77);
  return NULL;
}
