// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who sees what: shared and private mappings of anonymous memory and of a memfd, over fork, and next to read
// and write; mappings beyond the end of a file; seals.
#include "children.h"

enum { kPages = 16 };

static const int kReadWrite = PROT_READ | PROT_WRITE;

static int make_file(int pages, unsigned flags) {
  int fd = memfd_create("shared_fork", flags);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, pages * kPage) == 0);
  return fd;
}

static char* map_file(int fd, int pages, int protection, int kind) {
  char* memory = mmap(NULL, (size_t)pages * kPage, protection, kind, fd, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

static int byte_of(int fd, off_t offset) {
  uint8_t byte;
  CHECK_EQUAL(pread(fd, &byte, 1, offset), 1);
  return byte;
}

static void set_byte(int fd, off_t offset, int value) {
  uint8_t byte = (uint8_t)value;
  CHECK_EQUAL(pwrite(fd, &byte, 1, offset), 1);
}

// Pages first touched by the parent, by the child, by the grandchild, before or after the fork: all the same
// page.
static void anonymous(void) {
  char* shared = map_shared(kPages * kPage);
  char* mine = map_anonymous(kPages * kPage, kReadWrite);
  write_byte(shared, 1);
  write_byte(mine, 1);
  struct Gate to_child = make_gate(), to_parent = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK_EQUAL(read_byte(shared), 1);
    open_gate(to_parent);
    pass_gate(to_child);
    CHECK_EQUAL(read_byte(shared), 2);
    CHECK_EQUAL(read_byte(shared + kPage), 2);  // was nowhere when the parent forked
    CHECK_EQUAL(read_byte(mine), 1);
    CHECK_EQUAL(read_byte(mine + kPage), 0);
    write_byte(shared, 3);
    write_byte(mine, 3);
    write_byte(shared + 2 * kPage, 3);
    CHECK_EQUAL(madvise(shared, 2 * kPage, MADV_DONTNEED), 0);  // this mapping forgets, the memory does not
    CHECK_EQUAL(read_byte(shared), 3);
    pid_t inner = checked_fork();
    if (inner == 0) {
      write_byte(shared + 3 * kPage, 4);
      CHECK(munmap(shared, kPages * kPage) == 0);
      _exit(0);
    }
    CHECK_EXITS(inner, 0);
    open_gate(to_parent);
    pass_gate(to_child);
    CHECK_EQUAL(read_byte(shared + 4 * kPage), 5);  // another page of a mapping that the parent has moved
    _exit(0);
  }
  pass_gate(to_parent);
  write_byte(shared, 2);
  write_byte(shared + kPage, 2);
  write_byte(mine, 2);
  write_byte(mine + kPage, 2);
  open_gate(to_child);
  pass_gate(to_parent);
  static const uint8_t expected[] = {3, 2, 3, 4, 0};
  for (int i = 0; i < 5; i++) CHECK_EQUAL(read_byte(shared + i * kPage), expected[i]);
  CHECK_EQUAL(read_byte(mine), 2);
  char* moved = mremap(shared, kPages * kPage, kPages * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, mine);
  CHECK(moved == mine);
  write_byte(moved + 4 * kPage, 5);
  open_gate(to_child);
  CHECK_EXITS(pid, 0);
  for (int i = 0; i < 4; i++) CHECK_EQUAL(read_byte(moved + i * kPage), expected[i]);
  CHECK(munmap(moved, kPages * kPage) == 0);
  remove_gate(to_child), remove_gate(to_parent);
  say("anonymous memory, shared and private, over fork");
}

// Counters in shared memory, raised by many processes at once; the same in private memory stay apart.
static void counters(void) {
  enum { kChildren = 6, kRounds = 2000 };
  uint64_t* shared = map_shared(kPages * kPage);
  static uint64_t mine;
  mine = 100;
  pid_t pids[kChildren];
  for (int c = 0; c < kChildren; c++) {
    pids[c] = checked_fork();
    if (pids[c] != 0) continue;
    for (int i = 0; i < kRounds; i++) {
      __atomic_add_fetch(&shared[(i % kPages) * (kPage / 8)], 1, __ATOMIC_RELAXED);
      mine++;
    }
    _exit(mine == 100 + kRounds ? 0 : 1);
  }
  for (int c = 0; c < kChildren; c++) CHECK_EXITS(pids[c], 0);
  for (int i = 0; i < kPages; i++) CHECK_EQUAL(shared[i * (kPage / 8)], kChildren * kRounds / kPages);
  CHECK_EQUAL(mine, 100);
  CHECK(munmap(shared, kPages * kPage) == 0);
  say("%d processes count together", kChildren);
}

static void file_and_mapping(void) {
  int fd = make_file(kPages, 0);
  char *one = map_file(fd, kPages, kReadWrite, MAP_SHARED),
       *two = map_file(fd, kPages, PROT_READ, MAP_SHARED);
  CHECK(one != two);
  set_byte(fd, 10, 1);
  CHECK_EQUAL(read_byte(one + 10), 1);
  write_byte(one + 11, 2);
  CHECK_EQUAL(byte_of(fd, 11), 2);
  CHECK_EQUAL(read_byte(two + 11), 2);
  CHECK_EQUAL(byte_of(fd, 5 * kPage), 0);
  // At another offset, and half of it in another place.
  char* part = mmap(NULL, 2 * kPage, kReadWrite, MAP_SHARED, fd, 3 * kPage);
  CHECK(part != MAP_FAILED);
  write_byte(part + kPage, 3);
  CHECK_EQUAL(read_byte(one + 4 * kPage), 3);
  CHECK(mmap(part, kPage, kReadWrite, MAP_SHARED | MAP_FIXED, fd, 4 * kPage) == part);
  CHECK_EQUAL(read_byte(part), 3);
  CHECK_EQUAL(read_byte(part + kPage), 3);
  // A mapping outlives its descriptor, and carries writes to whoever has another.
  int twin = dup(fd);
  CHECK(close(fd) == 0);
  write_byte(one, 4);
  CHECK_EQUAL(byte_of(twin, 0), 4);
  // read() into a mapping of the very file, and write() from it.
  CHECK_EQUAL(pwrite(twin, one, kPage, 8 * kPage), kPage);
  CHECK_EQUAL(read_byte(two + 8 * kPage + 11), 2);
  CHECK_EQUAL(pread(twin, one + 9 * kPage, kPage, 8 * kPage), kPage);
  CHECK_EQUAL(read_byte(two + 9 * kPage + 10), 1);
  CHECK(msync(one, kPages * kPage, MS_SYNC) == 0);
  CHECK(madvise(one, kPages * kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(read_byte(one), 4);
  CHECK(munmap(one, kPages * kPage) == 0 && munmap(two, kPages * kPage) == 0 && munmap(part, 2 * kPage) == 0);
  CHECK(close(twin) == 0);
  say("a file is what its shared mappings are");
}

static void private_mappings(void) {
  int fd = make_file(kPages, 0);
  for (int i = 0; i < kPages; i++) set_byte(fd, i * kPage, i + 1);
  char* mine = map_file(fd, kPages, kReadWrite, MAP_PRIVATE);
  CHECK_EQUAL(read_byte(mine), 1);
  struct Gate to_child = make_gate(), to_parent = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    write_byte(mine + kPage, 102);  // its own copy from now on
    set_byte(fd, 2 * kPage, 103);   // everybody's who has no copy
    set_byte(fd, 3 * kPage, 104);
    CHECK_EQUAL(read_byte(mine + 2 * kPage), 103);
    open_gate(to_parent);
    pass_gate(to_child);
    CHECK_EQUAL(read_byte(mine), 1);
    CHECK_EQUAL(read_byte(mine + kPage), 102);
    CHECK_EQUAL(read_byte(mine + 4 * kPage), 205);
    _exit(0);
  }
  pass_gate(to_parent);
  CHECK_EQUAL(read_byte(mine + kPage), 2);
  CHECK_EQUAL(byte_of(fd, kPage), 2);
  CHECK_EQUAL(read_byte(mine + 2 * kPage), 103);
  write_byte(mine, 201);
  write_byte(mine + 3 * kPage + 1, 1);  // the copy is of what the child has written
  CHECK_EQUAL(read_byte(mine + 3 * kPage), 104);
  set_byte(fd, 3 * kPage, 204);
  CHECK_EQUAL(read_byte(mine + 3 * kPage), 104);
  set_byte(fd, 4 * kPage, 205);
  open_gate(to_child);
  CHECK_EXITS(pid, 0);
  CHECK_EQUAL(byte_of(fd, 0), 1);
  // To discard a copy is to see the file again.
  CHECK(madvise(mine, kPages * kPage, MADV_DONTNEED) == 0);
  CHECK_EQUAL(read_byte(mine), 1);
  CHECK_EQUAL(read_byte(mine + 3 * kPage), 204);
  CHECK(munmap(mine, kPages * kPage) == 0);
  CHECK(close(fd) == 0);
  remove_gate(to_child), remove_gate(to_parent);
  say("private mappings of a file that others write");
}

static void expect_sigbus(char* address, bool write) {
  if (write) {
    CHECK(RAISES(write_byte(address, 1)));
  } else {
    CHECK(RAISES(read_byte(address)));
  }
  CHECK_EQUAL(caught.signal, SIGBUS);
  CHECK_EQUAL(caught.code, BUS_ADRERR);
  CHECK_EQUAL(caught.address, (uintptr_t)address);
}

static void beyond_the_end(void) {
  int fd = make_file(4, 0);
  CHECK(ftruncate(fd, 2 * kPage + 100) == 0);
  char *shared = map_file(fd, 4, kReadWrite, MAP_SHARED), *mine = map_file(fd, 4, kReadWrite, MAP_PRIVATE);
  memset(shared, 7, 2 * kPage);
  write_byte(mine, 8);
  CHECK_EQUAL(read_byte(shared + 3 * kPage - 1), 0);  // the rest of the last page
  expect_sigbus(shared + 3 * kPage, false);
  expect_sigbus(shared + 3 * kPage, true);
  expect_sigbus(mine + 3 * kPage, true);
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK_FAILS(write(ends[1], shared + 3 * kPage, 1), EFAULT);
  CHECK(ftruncate(fd, 4 * kPage) == 0);
  CHECK_EQUAL(read_byte(shared + 3 * kPage), 0);
  write_byte(shared + 3 * kPage, 9);
  // What is cut off is gone for all, copies included, and comes back as zeros.
  struct Gate cut = make_gate();
  pid_t pid = checked_fork();
  if (pid == 0) {
    pass_gate(cut);
    expect_sigbus(shared + kPage, false);
    expect_sigbus(mine + kPage, false);
    _exit(0);
  }
  CHECK_EQUAL(read_byte(mine + kPage), 7);
  write_byte(mine + kPage, 10);
  CHECK(ftruncate(fd, 50) == 0);
  open_gate(cut);
  CHECK_EXITS(pid, 0);
  expect_sigbus(shared + kPage, false);
  expect_sigbus(mine + kPage, false);
  CHECK_EQUAL(read_byte(mine), 8);
  CHECK_EQUAL(read_byte(shared + 49), 7);
  CHECK_EQUAL(read_byte(shared + 50), 0);
  CHECK(ftruncate(fd, 4 * kPage) == 0);
  for (int i = 1; i < 4; i++) {
    CHECK_EQUAL(read_byte(shared + i * kPage), 0);
    CHECK_EQUAL(read_byte(mine + i * kPage), 0);
  }
  CHECK_EQUAL(byte_of(fd, 60), 0);
  CHECK(munmap(shared, 4 * kPage) == 0 && munmap(mine, 4 * kPage) == 0);
  CHECK(close(fd) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
  remove_gate(cut);
  say("SIGBUS beyond the end of a file, and what was cut off is zero");
}

static void holes_punched(void) {
  int fd = make_file(4, 0);
  char *shared = map_file(fd, 4, kReadWrite, MAP_SHARED), *mine = map_file(fd, 4, kReadWrite, MAP_PRIVATE);
  memset(shared, 7, 4 * kPage);
  write_byte(mine + kPage + 1, 8);
  enum { kKeepSize = 1, kPunchHole = 2 };
  CHECK(fallocate(fd, kPunchHole | kKeepSize, kPage, 2 * kPage) == 0);
  static const uint8_t expected[] = {7, 0, 0, 7};
  for (int i = 0; i < 4; i++) {
    CHECK_EQUAL(read_byte(shared + i * kPage), expected[i]);
    CHECK_EQUAL(byte_of(fd, i * kPage), expected[i]);
  }
  CHECK_EQUAL(read_byte(mine + kPage), 7);  // a copy stays
  CHECK_EQUAL(read_byte(mine + 2 * kPage), 0);
  CHECK(munmap(shared, 4 * kPage) == 0 && munmap(mine, 4 * kPage) == 0);
  CHECK(close(fd) == 0);
  say("holes are punched under mappings");
}

static void permissions(void) {
  int fd = make_file(1, 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int read_only = open(path, O_RDONLY);
  CHECK(read_only >= 0);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED, read_only, 0), EACCES);
  char* memory = map_file(read_only, 1, PROT_READ, MAP_SHARED);
  CHECK_FAILS(mprotect(memory, kPage, kReadWrite), EACCES);
  CHECK(munmap(memory, kPage) == 0);
  memory = map_file(read_only, 1, kReadWrite, MAP_PRIVATE);  // private is allowed
  write_byte(memory, 1);
  CHECK(munmap(memory, kPage) == 0);
  CHECK_FAILS((long)mmap(NULL, kPage, PROT_READ, MAP_SHARED, fd, 100), EINVAL);
  CHECK(close(fd) == 0 && close(read_only) == 0);
  say("what the descriptor does not allow, the mapping does not");
}

static void seals(void) {
  int fd = make_file(2, MFD_ALLOW_SEALING | MFD_CLOEXEC), plain = make_file(1, 0);
  CHECK_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(fcntl(fd, F_GET_SEALS), 0);
  CHECK_EQUAL(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
  CHECK_FAILS(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  char* shared = map_file(fd, 2, kReadWrite, MAP_SHARED);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  CHECK_EQUAL(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
  CHECK_FAILS(ftruncate(fd, kPage), EPERM);
  CHECK_FAILS(ftruncate(fd, 3 * kPage), EPERM);
  CHECK(ftruncate(fd, 2 * kPage) == 0);
  CHECK_FAILS(pwrite(fd, "x", 1, 2 * kPage), EPERM);
  CHECK_EQUAL(pwrite(fd, "x", 1, 2 * kPage - 1), 1);
  CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);  // somebody may still write through a mapping
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK(munmap(shared, 2 * kPage) == 0);
    CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);  // the parent
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK(munmap(shared, 2 * kPage) == 0);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  CHECK_FAILS(pwrite(fd, "x", 1, 0), EPERM);
  CHECK_FAILS((long)mmap(NULL, kPage, kReadWrite, MAP_SHARED, fd, 0), EPERM);
  char* mine = map_file(fd, 2, kReadWrite, MAP_PRIVATE);
  CHECK_EQUAL(read_byte(mine + 2 * kPage - 1), 'x');
  write_byte(mine, 1);
  CHECK(munmap(mine, 2 * kPage) == 0);
  CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
  CHECK_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
  CHECK(close(fd) == 0 && close(plain) == 0);
  CHECK_FAILS(memfd_create("x", 0x8000), EINVAL);
  say("seals");
}

int main(void) {
  install_handler(SIGBUS, catch_and_leave, 0);
  install_handler(SIGSEGV, catch_and_leave, 0);
  anonymous();
  counters();
  file_and_mapping();
  private_mappings();
  beyond_the_end();
  holes_punched();
  permissions();
  seals();
  return 0;
}
